#include "grammar/constraint.h"

#include <algorithm>

#include "grammar/machine.h"

namespace lyceum::grammar {
Constraint::Constraint(std::shared_ptr<const Automaton> automaton, std::shared_ptr<const TokenTrie> trie)
    : automaton_(std::move(automaton)), trie_(std::move(trie)), machine_(std::make_unique<Machine>(*automaton_, *trie_)) {}

Constraint::~Constraint() = default;

Matcher::Matcher(std::shared_ptr<Constraint> constraint) : constraint_(std::move(constraint)) {}

// Holds the constraint's mutex. After the machine was emptied, the text is read again.
void Matcher::catch_up() {
  Machine& machine = *constraint_->machine_;
  machine.begin_call();
  machine.drop_if_large();
  if (generation_ == machine.generation()) return;
  place_ = machine.start();
  for (const char c : text_) place_ = machine.step(place_, static_cast<uint8_t>(c));
  generation_ = machine.generation();
}

void Matcher::fill(std::span<uint64_t> mask) {
  std::ranges::fill(mask, 0);
  const std::lock_guard lock(constraint_->mutex_);
  catch_up();
  constraint_->machine_->add_tokens(place_, mask);
}

bool Matcher::accept(int32_t token) {
  const std::string_view text = constraint_->trie().text(token);
  return !text.empty() && accept_text(text);
}

bool Matcher::accept_text(std::string_view bytes) {
  const std::lock_guard lock(constraint_->mutex_);
  catch_up();
  uint32_t place = place_;
  for (const char c : bytes) {
    place = constraint_->machine_->step(place, static_cast<uint8_t>(c));
    if (place == Machine::kDead) return false;
  }
  place_ = place;
  text_ += bytes;
  return true;
}

bool Matcher::may_end() {
  const std::lock_guard lock(constraint_->mutex_);
  catch_up();
  return constraint_->machine_->may_end(place_);
}

bool Matcher::must_end() {
  const std::lock_guard lock(constraint_->mutex_);
  catch_up();
  return constraint_->machine_->may_end(place_) && !constraint_->machine_->reads_on(place_);
}

std::shared_ptr<Constraint> Constraints::get(const std::string& key, const std::function<Grammar()>& make) {
  const std::lock_guard lock(mutex_);
  if (const auto* found = kept_.find(key)) return *found;
  if (trie_ == nullptr) trie_ = std::make_shared<const TokenTrie>(tokenizer_, vocab_end_);
  auto made = std::make_shared<Constraint>(compile(make()), trie_);
  kept_.put(key, made, 1);
  return made;
}

}  // namespace lyceum::grammar
