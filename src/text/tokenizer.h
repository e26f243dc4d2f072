// tokenizer.h: text to token ids and back, exactly as Hugging Face `tokenizers` does for the same tokenizer.json.
// Input is bytes: what is not UTF-8 is read as U+FFFD, one for each broken part (Python's errors="replace").
// Supported: models BPE (byte-level and SentencePiece-style with byte fallback, ignore_merges; dropout refused),
// WordPiece, WordLevel, not Unigram; the normalizers, pre-tokenizers, post-processors and decoders that go with them.
// An unsupported component throws Error(unsupported) naming it; nothing is guessed. Thread-safe after construction.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lyceum::text {

struct EncodeOptions {
  bool add_special_tokens = true;  // run the post-processor's template (BOS, …)
  // Recognise added tokens inside the text. false is for text that somebody else wrote (a user's message, a file):
  // special tokens, and added tokens that look like markup (<…>, […]), are then plain characters. Added runs of spaces
  // and the like stay.
  bool parse_special = true;
};

// How StreamDecoder may cut a tokenizer's output while ids are still coming.
enum class StreamRule {
  bytes,   // output is a byte string read as UTF-8: only an unfinished character at the end may change
  pieces,  // a token's text depends only on what is before it; byte tokens (<0xE2>) are read together as a run
  whole,   // later tokens may change earlier text: nothing can be shown before the end
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual std::vector<int32_t> encode(std::string_view utf8, const EncodeOptions& options = {}) const = 0;
  virtual std::string decode(std::span<const int32_t> ids, bool skip_special = true) const = 0;
  virtual size_t vocab_size() const = 0;                                     // highest id + 1
  virtual std::optional<int32_t> find_id(std::string_view token) const = 0;  // added tokens first, then the vocabulary
  virtual std::string_view token(int32_t id) const = 0;  // as in the vocabulary (byte-level alphabet and all)
  virtual bool is_special(int32_t id) const = 0;
  virtual StreamRule stream_rule() const { return StreamRule::pieces; }
  virtual bool is_byte_token(int32_t id) const;  // "<0x00>" to "<0xFF>"
};

// From the text of a tokenizer.json. Throws Error(invalid_argument | unsupported).
std::unique_ptr<Tokenizer> load_tokenizer_json(std::string_view json_text);
// From llama2.c's tokenizer file (tok512.bin).
std::unique_ptr<Tokenizer> load_llama2c_tokenizer(std::string_view file, size_t vocab_size);

// The bytes that a token adds to a text that has begun: what a byte-level or byte token stands for, which need not be whole characters.
// Empty for an id without a token. REQUIRES: stream_rule() is not `whole`.
std::string token_bytes(const Tokenizer& tokenizer, int32_t id);

// Turns ids into text piece by piece: holds back bytes until they are whole UTF-8 characters, so that the concatenation
// of all pieces equals decode() of all ids. A run of byte tokens (SentencePiece style) comes out when the run ends,
// because one bad byte changes how the whole run reads. One thread.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true);
  std::string push(int32_t id);
  std::string finish();

 private:
  std::string push_bytes(int32_t id);
  std::string push_piece(int32_t id);

  const Tokenizer& tokenizer_;
  bool skip_special_;
  std::vector<int32_t> window_;  // the ids whose text is not settled, after just enough settled ones to place it
  size_t emitted_prefix_ = 0;    // bytes of decode(window_) already returned
};

}  // namespace lyceum::text
