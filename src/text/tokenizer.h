// tokenizer.h: text to token ids and back, exactly as Hugging Face `tokenizers` does for the same tokenizer.json.
// Supported: models BPE (byte-level and SentencePiece-style with byte fallback, ignore_merges, dropout refused), Unigram,
// WordPiece; the normalizers, pre-tokenizers, post-processors and decoders that go with them. An unsupported component throws
// Error(unsupported) naming it; nothing is guessed. Thread-safe after construction.
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
  bool add_special_tokens = true;   // run the post-processor's template (BOS, …)
  bool parse_special = true;        // recognise added tokens inside the text; false treats "<|im_end|>" as plain characters
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual std::vector<int32_t> encode(std::string_view utf8, const EncodeOptions& options = {}) const = 0;
  virtual std::string decode(std::span<const int32_t> ids, bool skip_special = true) const = 0;
  virtual size_t vocab_size() const = 0;                                   // highest id + 1
  virtual std::optional<int32_t> find_id(std::string_view token) const = 0;  // added tokens first, then the vocabulary
  virtual std::string_view token(int32_t id) const = 0;                    // as in the vocabulary (byte-level alphabet and all)
  virtual bool is_special(int32_t id) const = 0;
};

// From the text of a tokenizer.json. Throws Error(invalid_argument | unsupported).
std::unique_ptr<Tokenizer> load_tokenizer_json(std::string_view json_text);
// From llama2.c's tokenizer file (tok512.bin).
std::unique_ptr<Tokenizer> load_llama2c_tokenizer(std::string_view file, size_t vocab_size);

// Turns ids into text piece by piece: holds back bytes until they are whole UTF-8 characters, so that the concatenation
// of all pieces equals decode() of all ids.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true);
  std::string push(int32_t id);
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  std::vector<int32_t> window_;
  size_t emitted_prefix_ = 0;
};

}  // namespace lyceum::text
