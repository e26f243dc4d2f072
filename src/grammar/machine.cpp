#include "grammar/machine.h"

#include <algorithm>

#include "base/error.h"

namespace lyceum::grammar {
namespace {

constexpr uint32_t kDepthMax = 500;
constexpr size_t kStacksInPlaceMax = 1000;
constexpr size_t kPlacesMax = 64'000;
constexpr size_t kWorkMax = 50'000'000;
constexpr size_t kKeptBytesMax = 64u << 20;

constexpr uint64_t pair_of(uint32_t a, uint32_t b) noexcept { return uint64_t{a} << 32 | b; }

void set_bit(int32_t id, std::span<uint64_t> mask) noexcept {
  if (const size_t word = static_cast<size_t>(id) / 64; word < mask.size()) mask[word] |= uint64_t{1} << (id % 64);
}

[[noreturn]] void refuse(const char* what) {
  throw Error(Code::unprocessable, std::string("the grammar can be read in too many ways at once (") + what + "); make its alternatives begin differently");
}

}  // namespace

size_t Machine::PlaceHash::operator()(const std::vector<uint32_t>& stacks) const noexcept {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const uint32_t stack : stacks) hash = (hash ^ stack) * 0x100000001b3ULL;
  return hash ^ hash >> 29;
}

Machine::Machine(const Automaton& automaton, const TokenTrie& trie) : automaton_(automaton), trie_(trie) { reset(); }

void Machine::reset() {
  ++generation_;
  kept_bytes_ = 0;
  stacks_.assign(2, {});
  stack_ids_.clear();
  places_.clear();
  place_ids_.clear();
  places_above_.clear();
  own_tokens_.clear();
  later_tokens_.clear();
  open_ = {};
  place_of_open();   // kDead
  close_over(automaton_.starts[automaton_.root], kBottom);
  start_ = place_of_open();
}

void Machine::drop_if_large() {
  if (kept_bytes_ > kKeptBytesMax || places_.size() > kPlacesMax / 2) reset();
}

uint32_t Machine::stack_of(uint32_t state, uint32_t below) {
  const auto [place, added] = stack_ids_.try_emplace(pair_of(state, below), static_cast<uint32_t>(stacks_.size()));
  if (added) {
    stacks_.push_back({state, below, stacks_[below].depth + 1});
    kept_bytes_ += 64;
  }
  return place->second;
}

// All stacks that read a byte next, when `state` is on top of `below`: calls push, ends of rules pop.
void Machine::close_over(uint32_t state, uint32_t below) {
  std::vector<uint64_t> todo{pair_of(state, below)};
  while (!todo.empty()) {
    const uint64_t now = todo.back();
    todo.pop_back();
    work_ += 1 + open_.seen.size() / 64;
    if (work_ > kWorkMax) refuse("steps");
    if (std::ranges::find(open_.seen, now) != open_.seen.end()) continue;
    open_.seen.push_back(now);
    if (open_.seen.size() > 8 * kStacksInPlaceMax) refuse("stacks");
    const auto under = static_cast<uint32_t>(now);
    const Automaton::State& top = automaton_.states[now >> 32];
    if (top.bytes_begin != top.bytes_end) open_.stacks.push_back(stack_of(static_cast<uint32_t>(now >> 32), under));
    if (top.accepting) {
      if (under == kBottom) {
        open_.ends = true;
      } else if (under == kCut) {
        open_.leaves = true;
      } else {
        todo.push_back(pair_of(stacks_[under].state, stacks_[under].below));
      }
    }
    for (const auto& call : automaton_.calls_of(top)) {
      const bool returns_only = automaton_.only_returns(automaton_.states[call.target]);
      if (!returns_only && stacks_[under].depth >= kDepthMax) continue;
      todo.push_back(pair_of(automaton_.starts[call.rule], returns_only ? under : stack_of(call.target, under)));
    }
  }
}

uint32_t Machine::place_of_open() {
  std::ranges::sort(open_.stacks);
  open_.stacks.erase(std::unique(open_.stacks.begin(), open_.stacks.end()), open_.stacks.end());
  if (open_.stacks.size() > kStacksInPlaceMax) refuse("stacks");
  std::vector<uint32_t> key = open_.stacks;
  key.push_back(UINT32_MAX - (open_.ends ? 1 : 0) - (open_.leaves ? 2 : 0));
  const auto [entry, added] = place_ids_.try_emplace(std::move(key), static_cast<uint32_t>(places_.size()));
  if (added) {
    if (places_.size() >= kPlacesMax) refuse("places");
    kept_bytes_ += 128 + 8 * open_.stacks.size();
    places_.push_back({std::move(open_.stacks), open_.ends, open_.leaves, nullptr});
  }
  open_.stacks.clear();
  open_.seen.clear();
  open_.ends = open_.leaves = false;
  return entry->second;
}

uint32_t Machine::step(uint32_t place, uint8_t byte) {
  if (places_[place].next == nullptr) {
    places_[place].next = std::make_unique<std::array<uint32_t, 256>>();
    places_[place].next->fill(kUnknown);
    kept_bytes_ += sizeof(std::array<uint32_t, 256>);
  }
  if (const uint32_t known = (*places_[place].next)[byte]; known != kUnknown) return known;
  const std::vector<uint32_t> stacks = places_[place].stacks;
  for (const uint32_t id : stacks) {
    const Stack stack = stacks_[id];
    ++work_;
    for (const auto& edge : automaton_.bytes_of(automaton_.states[stack.state])) {
      if (edge.first <= byte && byte <= edge.last) close_over(edge.target, stack.below);
    }
  }
  if (work_ > kWorkMax) refuse("steps");
  const uint32_t next = place_of_open();
  (*places_[place].next)[byte] = next;
  return next;
}

// Where one stands when the rule above `stack` has ended.
uint32_t Machine::place_above(uint32_t stack) {
  if (const auto found = places_above_.find(stack); found != places_above_.end()) return found->second;
  if (stack == kBottom) {
    open_.ends = true;
  } else {
    close_over(stacks_[stack].state, stacks_[stack].below);
  }
  return places_above_[stack] = place_of_open();
}

// Calls take(node, place) for every trie node below `node` that the bytes on the way lead to.
template <typename Take>
void Machine::walk(uint32_t node, uint32_t place, Take take) {
  const auto nodes = trie_.nodes();
  std::array<uint32_t, kLookBytes + 1> places{};
  places[nodes[node].depth] = place;
  for (uint32_t i = node + 1; i < nodes[node].skip;) {
    const TokenTrie::Node& here = nodes[i];
    const uint32_t next = step(places[here.depth - 1], here.byte);
    if (next == kDead) {
      i = here.skip;
      continue;
    }
    places[here.depth] = next;
    take(i, next);
    i = places_[next].stacks.empty() ? here.skip : i + 1;
  }
}

Machine::Tokens Machine::pack(std::vector<int32_t> ids) {
  Tokens out;
  if (ids.size() * 32 < trie_.vocab_end()) {
    ids.shrink_to_fit();
    out.ids = std::move(ids);
  } else {
    out.bits.resize((trie_.vocab_end() + 63) / 64);
    for (const int32_t id : ids) out.bits[static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64);
  }
  kept_bytes_ += 64 + out.ids.size() * 4 + out.bits.size() * 8;
  return out;
}

const Machine::OwnTokens& Machine::own_tokens(uint32_t state) {
  const uint32_t alike = automaton_.states[state].alike;
  if (const auto found = own_tokens_.find(alike); found != own_tokens_.end()) return found->second;
  open_.stacks.push_back(stack_of(alike, kCut));
  const uint32_t alone = place_of_open();
  OwnTokens out;
  std::vector<int32_t> ids;
  walk(0, alone, [&](uint32_t node, uint32_t place) {
    const auto here = trie_.tokens_at(node);
    ids.insert(ids.end(), here.begin(), here.end());
    if (places_[place].leaves && trie_.nodes()[node].skip > node + 1) out.leaving.push_back(node);
  });
  out.tokens = pack(std::move(ids));
  kept_bytes_ += out.leaving.size() * 4;
  return own_tokens_[alike] = std::move(out);
}

const Machine::Tokens& Machine::later_tokens(uint32_t state, uint32_t below) {
  const uint64_t key = pair_of(automaton_.states[state].alike, below);
  if (const auto found = later_tokens_.find(key); found != later_tokens_.end()) return found->second;
  const std::vector<uint32_t>& leaving = own_tokens(state).leaving;
  std::vector<int32_t> ids;
  const uint32_t above = leaving.empty() ? kDead : place_above(below);
  for (const uint32_t node : leaving) {
    walk(node, above, [&](uint32_t at, uint32_t) {
      const auto here = trie_.tokens_at(at);
      ids.insert(ids.end(), here.begin(), here.end());
    });
  }
  return later_tokens_[key] = pack(std::move(ids));
}

void Machine::merge(const Tokens& tokens, std::span<uint64_t> mask) {
  for (size_t i = 0; i < std::min(mask.size(), tokens.bits.size()); ++i) mask[i] |= tokens.bits[i];
  for (const int32_t id : tokens.ids) set_bit(id, mask);
}

void Machine::add_tokens(uint32_t place, std::span<uint64_t> mask) {
  const std::vector<uint32_t> stacks = places_[place].stacks;
  // A state that is looked at alone does not know how deep it is: near the limit the whole place is walked instead.
  if (std::ranges::any_of(stacks, [this](uint32_t id) { return stacks_[id].depth > kDepthMax / 2; })) {
    walk(0, place, [&](uint32_t node, uint32_t) {
      for (const int32_t id : trie_.tokens_at(node)) set_bit(id, mask);
    });
    return;
  }
  for (const uint32_t id : stacks) {
    const Stack stack = stacks_[id];
    merge(own_tokens(stack.state).tokens, mask);
    merge(later_tokens(stack.state, stack.below), mask);
  }
}

}  // namespace lyceum::grammar
