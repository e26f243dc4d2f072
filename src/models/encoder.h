// encoder.h: models that read a whole text at once and give a vector for each token: BERT and RoBERTa, with the head that ranks
// pairs of texts, if they have one. Blocks are post-norm: x = norm(x + attention(x)), x = norm(x + W gelu(V x)).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/decoder.h"
#include "tensor/view.h"

namespace lyceum::models {

enum class EncoderFamily { bert, roberta };

struct EncoderConfig {
  std::string architecture;        // "BertModel"
  EncoderFamily family = EncoderFamily::bert;
  uint32_t layers = 0;
  uint32_t hidden = 0;
  uint32_t intermediate = 0;
  uint32_t heads = 0;
  uint32_t vocab = 0;
  uint32_t positions = 0;          // rows of the position table
  uint32_t first_position = 0;     // the row of a text's first token (RoBERTa: pad_token_id + 1)
  uint32_t token_types = 0;
  uint32_t labels = 0;             // of the head; 0 = no head
  float norm_epsilon = 1e-12f;

  uint32_t context() const noexcept { return positions - first_position; }
};

struct LayerNorm {
  std::vector<float> weight, bias;
};

struct EncoderLayer {
  Linear q, k, v, o;
  LayerNorm attention_norm;
  Linear up, down;
  LayerNorm output_norm;
};

// Owns the memory that the views point into through `storage`.
struct Encoder {
  EncoderConfig config;
  tensor::WeightView words, positions, types;   // embedding tables
  LayerNorm embedding_norm;
  std::vector<EncoderLayer> layers;
  Linear head_dense, head_out;                  // label scores = out(tanh(dense(the first token's vector))); empty without a head
  std::vector<std::shared_ptr<void>> storage;

  uint64_t parameters() const noexcept;
};

// Does this model folder hold an encoder? False for anything that cannot be read: load_decoder() then says what is wrong.
bool is_encoder(const std::filesystem::path& folder);
// folder: config.json and *.safetensors. Throws Error(unprocessable) naming the file and tensor, Error(unsupported) naming the field.
std::shared_ptr<const Encoder> load_encoder(const std::filesystem::path& folder);
// The config half alone.
EncoderConfig read_encoder_config(std::string_view config_json, std::string_view what = "config.json");
// Names of the architectures that load_encoder() takes.
std::vector<std::string_view> encoder_architectures();

}  // namespace lyceum::models
