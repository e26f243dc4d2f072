// components.h: the parts of a tokenizer.json around the model: normalizers, pre-tokenizers, post-processors, decoders.
// One interface and one table of kinds each (normalizers.cpp, pre_tokenizers.cpp, post_processors.cpp, decoders.cpp); a
// new kind is one class and one line in its table. Every kind behaves as Hugging Face's component of the same name
// does. All are immutable.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/pieces.h"
#include "text/regex.h"
#include "text/tokenizer.h"

namespace lyceum::text {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(std::string& text) const = 0;
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(Pieces& pieces) const = 0;
};

class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  virtual void apply(std::vector<int32_t>& ids) const = 0;  // only called when special tokens are wanted
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void apply(
      std::vector<std::string>& tokens) const = 0;  // the tokens' texts; the result is their concatenation
  virtual StreamRule rule() const { return StreamRule::pieces; }
};

// Each takes the section of tokenizer.json; throws Error(unsupported) naming a kind that is not in the table.
std::unique_ptr<Normalizer> make_normalizer(const json::object& spec);
std::unique_ptr<PreTokenizer> make_pre_tokenizer(const json::object& spec);
std::unique_ptr<PostProcessor> make_post_processor(const json::object& spec);
std::unique_ptr<Decoder> make_decoder(const json::object& spec);

// The byte alphabet of GPT-2: printable Latin-1 characters stand for themselves, the other 68 bytes for U+0100 and up.
const std::array<char32_t, 256>& byte_alphabet();
int byte_of_alphabet(char32_t c) noexcept;  // -1: not in the alphabet
void append_byte_alphabet(std::string_view bytes, std::string& out);

// {"String": "…"} (escaped) or {"Regex": "…"}.
Regex pattern_regex(const json::object& spec);
const json::array& component_list(const json::object& spec, std::string_view key);
char32_t single_character(const json::object& spec, std::string_view key);

}  // namespace lyceum::text
