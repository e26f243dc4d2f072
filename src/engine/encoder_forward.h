// encoder_forward.h: the forward pass of an encoder over several texts at once, exact (float32 arithmetic on the stored weights).
// A text sees itself alone, so what it gets does not depend on its neighbours. One object serves one thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/threads.h"
#include "engine/full_attention.h"
#include "kernels/rows.h"
#include "models/encoder.h"

namespace lyceum::engine {

// The tokens of one text, or of a pair of texts.
struct EncoderInput {
  std::vector<int32_t> ids;
  size_t second = SIZE_MAX;   // where the tokens of the second text begin, which have token type 1; none: SIZE_MAX
};

class EncoderForward {
 public:
  EncoderForward(const models::Encoder& encoder, ThreadPool& pool);

  // The last hidden states, text after text; valid until the next call. REQUIRES: each has 1 to config.context() ids of the vocabulary.
  kernels::ConstRows run(std::span<const EncoderInput> inputs);
  // Scores of the labels from the vectors of first tokens, one row each.
  kernels::ConstRows labels(kernels::ConstRows firsts);

 private:
  void embed(std::span<const EncoderInput> inputs);
  void run_layer(const models::EncoderLayer& layer);
  void attend(size_t first, size_t rows);
  void normalise(const models::LayerNorm& norm);
  void multiply(const models::Linear& linear, kernels::ConstRows x, kernels::Rows y, kernels::Write write = kernels::Write::set);
  kernels::Rows rows_of(std::vector<float>& buffer, size_t rows, size_t columns);

  const models::Encoder& encoder_;
  ThreadPool& pool_;
  size_t total_ = 0;
  std::vector<size_t> firsts_;   // first row of each text, and the end
  std::vector<float> hidden_, q_, k_, v_, attended_, wide_, pooled_, labels_;
  FullAttention attention_;
};

}  // namespace lyceum::engine
