#include "formats/llama2c.h"

#include <string>

namespace lyceum::formats {
namespace {

constexpr uint32_t kDimensionMax = 1u << 20;

[[noreturn]] void fail(std::string_view file, const std::string& problem) {
  throw Error(Code::unprocessable, std::string(file) + " is not a llama2.c checkpoint: " + problem);
}

Llama2cConfig read_config(ByteReader& reader, std::string_view file) {
  int32_t values[7];
  for (int32_t& value : values) value = reader.read<int32_t>();
  Llama2cConfig config;
  config.shared_head = values[5] > 0;
  if (values[5] < 0) values[5] = values[5] == INT32_MIN ? 0 : -values[5];
  uint32_t* const fields[] = {&config.dim, &config.hidden, &config.layers, &config.heads, &config.kv_heads, &config.vocab, &config.context};
  for (int i = 0; i < 7; ++i) {
    if (values[i] <= 0 || static_cast<uint32_t>(values[i]) > kDimensionMax) fail(file, "header value " + std::to_string(i) + " is out of range");
    *fields[i] = static_cast<uint32_t>(values[i]);
  }
  if (config.dim % config.heads != 0 || config.heads % config.kv_heads != 0) fail(file, "its heads do not divide its width");
  return config;
}

// Products stay below 2^62: each factor is at most 2^20 and there are at most three.
Bytes take_floats(ByteReader& reader, uint64_t a, uint64_t b = 1) { return reader.take(a * b * sizeof(float)); }

void take_layers(ByteReader& reader, std::vector<Bytes>& out, const Llama2cConfig& config, uint64_t rows, uint64_t columns = 1) {
  for (uint32_t layer = 0; layer < config.layers; ++layer) out.push_back(take_floats(reader, rows, columns));
}

}  // namespace

Llama2cConfig parse_llama2c(Bytes file, std::string_view file_name, Llama2cTensors& tensors) {
  ByteReader reader(file, std::string(file_name));
  const Llama2cConfig config = read_config(reader, file_name);
  const uint64_t head_dim = config.dim / config.heads, kv_dim = head_dim * config.kv_heads;
  tensors = {};
  tensors.embedding = take_floats(reader, config.vocab, config.dim);
  take_layers(reader, tensors.attention_norm, config, config.dim);
  take_layers(reader, tensors.wq, config, config.dim, config.dim);
  take_layers(reader, tensors.wk, config, kv_dim, config.dim);
  take_layers(reader, tensors.wv, config, kv_dim, config.dim);
  take_layers(reader, tensors.wo, config, config.dim, config.dim);
  take_layers(reader, tensors.ffn_norm, config, config.dim);
  take_layers(reader, tensors.w1, config, config.hidden, config.dim);
  take_layers(reader, tensors.w2, config, config.dim, config.hidden);
  take_layers(reader, tensors.w3, config, config.hidden, config.dim);
  tensors.final_norm = take_floats(reader, config.dim);
  take_floats(reader, config.context, head_dim / 2);   // cos and sin tables that older writers kept
  take_floats(reader, config.context, head_dim / 2);
  tensors.head = config.shared_head ? tensors.embedding : take_floats(reader, config.vocab, config.dim);
  if (reader.remaining() != 0) fail(file_name, std::to_string(reader.remaining()) + " bytes follow the last tensor");
  return config;
}

Llama2cFile::Llama2cFile(const fs::path& path) : map_(path), config_(parse_llama2c(map_.bytes(), path.string(), tensors_)) {}

}  // namespace lyceum::formats
