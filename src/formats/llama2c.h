// llama2c.h: the "version 0" checkpoint of the llama2.c project: seven int32 (dim, hidden, layers, heads, kv_heads, vocab,
// context), then float32 tensors without names in a fixed order. A negative vocab means that the classifier is not shared
// with the embedding. The file's size must be exactly what the header implies.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/files.h"

namespace lyceum::formats {

struct Llama2cConfig {
  uint32_t dim = 0, hidden = 0, layers = 0, heads = 0, kv_heads = 0, vocab = 0, context = 0;
  bool shared_head = true;
};

// Each of the per-layer views holds one entry per layer; matrices are (out, in) row-major. The rotation of q and k is of
// adjacent pairs (x[2i], x[2i + 1]), not rotate-half: the loader permutes the rows of wq and wk.
struct Llama2cTensors {
  Bytes embedding;                                      // (vocab, dim)
  std::vector<Bytes> attention_norm, wq, wk, wv, wo;    // (dim), (dim, dim), (kv_dim, dim), (kv_dim, dim), (dim, dim)
  std::vector<Bytes> ffn_norm, w1, w2, w3;              // (dim), gate (hidden, dim), down (dim, hidden), up (hidden, dim)
  Bytes final_norm;                                     // (dim)
  Bytes head;                                           // (vocab, dim); the embedding when shared
};

class Llama2cFile {
 public:
  explicit Llama2cFile(const fs::path& path);
  const Llama2cConfig& config() const noexcept { return config_; }
  const Llama2cTensors& tensors() const noexcept { return tensors_; }

 private:
  MappedFile map_;
  Llama2cTensors tensors_;   // before config_: the parser fills both
  Llama2cConfig config_;
};

// Throws Error(unprocessable) when the bytes are not such a checkpoint.
Llama2cConfig parse_llama2c(Bytes file, std::string_view file_name, Llama2cTensors& tensors);

}  // namespace lyceum::formats
