// text_encoder.h: an encoder (BERT, RoBERTa) with its tokenizer: vectors of texts as sentence-transformers makes them, and scores of pairs
// of texts as its CrossEncoder does. The counterpart of Engine for models that do not generate.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/encoder_forward.h"
#include "text/tokenizer.h"

namespace lyceum::engine {

class TextEncoder {
 public:
  // modules.json and the folders it names say how token vectors become one and whether it is normalised; without it the mean, as it is.
  // sentence_bert_config.json says how many tokens are read at most, config_sentence_transformers.json what is put before each text.
  // Throws Error naming the file and what is missing or not implemented.
  static std::unique_ptr<TextEncoder> open(const std::filesystem::path& folder, unsigned threads);

  const models::Encoder& encoder() const { return *encoder_; }
  const text::Tokenizer& tokenizer() const { return *tokenizer_; }
  size_t context() const { return context_; }                // tokens of an input, special ones counted
  size_t dimensions() const { return encoder_->config.hidden; }
  bool ranks() const { return encoder_->config.labels == 1; }

  // As the model takes it, with its special tokens. cut: what does not fit is left out, as the reference does (of a pair, from the longer
  // text); otherwise it may come out longer than context().
  EncoderInput encode(std::string_view text, bool cut) const;
  EncoderInput encode_pair(std::string_view first, std::string_view second, bool cut) const;

  // Any number of callers, one at a time. Error(invalid_argument) for an empty or too long input or an id outside the vocabulary.
  std::vector<std::vector<float>> embed(std::span<const EncoderInput> inputs);
  // How well the second text answers the first: the label's score before any activation. Error(unprocessable) unless ranks().
  std::vector<float> rank(std::span<const EncoderInput> pairs);

 private:
  enum class Pooling { mean, root_mean, first, max };

  TextEncoder(std::shared_ptr<const models::Encoder> encoder, std::unique_ptr<text::Tokenizer> tokenizer, unsigned threads);
  void read_modules(const std::filesystem::path& folder);
  void read_pooling(const std::filesystem::path& file);
  void read_limits(const std::filesystem::path& folder);
  void find_special_tokens();
  void check(const EncoderInput& input) const;
  std::vector<float> pool(kernels::ConstRows tokens) const;
  // Calls take(index, hidden states) for each input, some of them in one pass.
  template <typename Take>
  void for_each(std::span<const EncoderInput> inputs, Take take);

  std::shared_ptr<const models::Encoder> encoder_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  std::vector<int32_t> before_, after_;   // special tokens around a text
  size_t context_;
  Pooling pooling_ = Pooling::mean;
  bool normalise_ = false;
  std::string prompt_;
  ThreadPool pool_;
  std::mutex mutex_;
  EncoderForward forward_;
};

}  // namespace lyceum::engine
