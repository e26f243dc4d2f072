// added_tokens.h: tokens that are recognised in the text before the model sees it ("<|im_end|>", runs of spaces, …).
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "text/components.h"
#include "text/model.h"

namespace lyceum::text {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool single_word = false;  // only between non-word characters
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // takes the white space after it along
  bool normalized = false;   // looked for in the normalized text, in its own normalized form
  bool special = false;
  bool control = false;  // special, or looks like markup: not recognised in text that is not trusted
};

// The longest pattern that starts at a position, by a byte trie.
class TokenTrie {
 public:
  void insert(std::string_view pattern, size_t value);  // the first of two equal patterns stays
  struct Hit {
    size_t length = 0;
    size_t value = 0;
  };
  std::optional<Hit> find_longest(std::string_view text, size_t at) const;
  bool empty() const noexcept { return nodes_ == 1; }

 private:
  std::bitset<256> first_bytes_;
  std::unordered_map<uint64_t, uint32_t> edges_;  // node * 256 + byte -> node
  std::unordered_map<uint32_t, size_t> values_;
  uint32_t nodes_ = 1;
};

class AddedTokens {
 public:
  // Ids come from the vocabulary where it has the text, as in Hugging Face; otherwise from the file, which must agree
  // with the next free id that Hugging Face would give.
  AddedTokens(const json::array* specs, const Vocabulary& vocabulary, const Normalizer* normalizer);

  struct Part {
    size_t begin;
    size_t end;
    const AddedToken* token;  // nullptr: plain text
  };
  // Cuts text at the tokens that are looked for before (false) or after (true) normalization.
  void split(std::string_view text, bool normalized, bool parse_control, std::vector<Part>& out) const;

  const AddedToken* find(int32_t id) const;
  const AddedToken* find(std::string_view content) const;
  std::string_view decoded_text(
      const AddedToken& token) const;  // the normalized form: the decoder undoes the normalizer
  bool is_special(int32_t id) const;
  int32_t id_end() const noexcept { return id_end_; }

 private:
  void add(AddedToken token, int32_t file_id, const Vocabulary& vocabulary);
  bool applies(const AddedToken& token, std::string_view text, size_t begin, size_t end) const;

  std::vector<AddedToken> tokens_;
  std::vector<std::string> normalized_;
  std::unordered_map<int32_t, size_t> by_id_;
  std::unordered_map<std::string, size_t> by_content_;
  TokenTrie raw_trie_, normalized_trie_;
  int32_t id_end_ = 0;
  int32_t next_id_ = 0;
};

}  // namespace lyceum::text
