#include "grammar/token_trie.h"

#include <algorithm>

#include "base/error.h"
#include "grammar/automaton.h"

namespace lyceum::grammar {
namespace {

std::vector<std::string> texts_of(const text::Tokenizer& tokenizer, size_t vocab_end) {
  if (tokenizer.stream_rule() == text::StreamRule::whole) {
    throw Error(Code::unsupported, "this model's tokenizer has no text for a single token, so that its output cannot be held to a grammar; ask without response_format, grammar and tools");
  }
  std::vector<std::string> texts(std::min(tokenizer.vocab_size(), vocab_end));
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    texts[i] = tokenizer.is_special(id) ? special_token_bytes(id) : text::token_bytes(tokenizer, id);
    // The token of the byte 0xFF, which no text has, must not help to spell a special token.
    if (!tokenizer.is_special(id) && texts[i].find('\xFF') != std::string::npos) texts[i].clear();
  }
  return texts;
}

}  // namespace

TokenTrie::TokenTrie(const text::Tokenizer& tokenizer, size_t vocab_end) : TokenTrie(texts_of(tokenizer, vocab_end)) {}

TokenTrie::TokenTrie(std::vector<std::string> texts) : texts_(std::move(texts)) {
  for (std::string& text : texts_) {
    if (text.size() > kLookBytes) text.clear();
  }
  build();
}

void TokenTrie::build() {
  std::vector<int32_t> order;
  for (size_t i = 0; i < texts_.size(); ++i) {
    if (!texts_[i].empty()) order.push_back(static_cast<int32_t>(i));
  }
  const auto text_of = [this](int32_t id) -> const std::string& { return texts_[static_cast<size_t>(id)]; };
  std::ranges::stable_sort(order, [&](int32_t a, int32_t b) { return text_of(a) < text_of(b); });
  std::vector<uint32_t> open{0};   // the path to the node made last, by depth
  nodes_.push_back({});
  const auto close_to = [&](size_t depth) {
    for (; open.size() > depth + 1; open.pop_back()) nodes_[open.back()].skip = static_cast<uint32_t>(nodes_.size());
  };
  std::string_view previous;
  for (const int32_t id : order) {
    const std::string& text = text_of(id);
    const auto common = static_cast<size_t>(std::ranges::mismatch(text, previous).in1 - text.begin());
    close_to(common);
    for (size_t i = common; i < text.size(); ++i) {
      open.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({static_cast<uint8_t>(text[i]), static_cast<uint8_t>(i + 1), 0, static_cast<uint32_t>(tokens_.size())});
    }
    tokens_.push_back(id);
    previous = text;
  }
  close_to(0);
  nodes_[0].skip = static_cast<uint32_t>(nodes_.size());
  nodes_.push_back({0, 0, static_cast<uint32_t>(nodes_.size() + 1), static_cast<uint32_t>(tokens_.size())});
}

}  // namespace lyceum::grammar
