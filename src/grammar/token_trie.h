// token_trie.h: the texts of all tokens as one tree of bytes, in the order of a depth-first walk, so that a walk reads memory forwards and skips
// what cannot continue. Special tokens are in it under special_token_bytes(): no text matches them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace lyceum::grammar {

class TokenTrie {
 public:
  // Ids from vocab_end on (rows of a model's output that its tokenizer does not know, or the other way round) do not exist.
  // Throws Error(unsupported) if the tokenizer's tokens have no text of their own (text::StreamRule::whole).
  TokenTrie(const text::Tokenizer& tokenizer, size_t vocab_end);
  explicit TokenTrie(std::vector<std::string> texts);   // by id; empty: no such token

  struct Node {
    uint8_t byte = 0;
    uint8_t depth = 0;          // bytes up to here; the root has none
    uint32_t skip = 0;          // the next node that is not below this one
    uint32_t tokens_begin = 0;  // its tokens end where the next node's begin
  };
  // One more than there are, for the last one's tokens. The root is the first.
  std::span<const Node> nodes() const noexcept { return nodes_; }
  std::span<const int32_t> tokens_at(size_t node) const { return {tokens_.data() + nodes_[node].tokens_begin, nodes_[node + 1].tokens_begin - nodes_[node].tokens_begin}; }
  std::string_view text(int32_t id) const { return static_cast<size_t>(id) < texts_.size() ? std::string_view(texts_[static_cast<size_t>(id)]) : std::string_view(); }
  size_t vocab_end() const noexcept { return texts_.size(); }

 private:
  void build();
  std::vector<std::string> texts_;
  std::vector<Node> nodes_;
  std::vector<int32_t> tokens_;
};

}  // namespace lyceum::grammar
