// tensors.h: a model as the tensors of a GGUF file: llama.cpp's names, shapes and row orders over the decoder's views. Nothing is copied.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "models/decoder.h"

namespace lyceum::quantizer {

struct SourceTensor {
  std::string name;                        // "blk.0.attn_q.weight"
  std::vector<uint64_t> shape;             // the contiguous dimension first
  std::vector<tensor::WeightView> parts;   // its rows, one part after another
  size_t head_dim = 0;                     // not 0: of every head of that many rows, rows i and i + half are written as neighbours

  // A vector counts as rows of one value: so do the biases of matrices that are stored as one.
  bool is_vector() const noexcept { return shape.size() < 2; }
  uint64_t columns() const noexcept { return is_vector() ? 1 : shape[0]; }
  uint64_t rows() const noexcept;
  size_t matrices() const noexcept { return shape.size() > 2 ? shape[2] : 1; }   // experts
  // One row of the part that holds it, at its place in the source.
  tensor::WeightView row(uint64_t index) const noexcept;
};

// Embedding, layers, final norm, head; a tied head is left out.
std::vector<SourceTensor> list_tensors(const models::Decoder& decoder);
// A GGUF file's own tensors as they lie. Throws Error(unsupported) naming one whose type is not read.
std::vector<SourceTensor> list_tensors(const formats::GgufFile& file);

}  // namespace lyceum::quantizer
