// linear_pass.h: forward and backward of one linear layer, trainable or frozen, with or without a LoRA pair.
//
// The backward is bracketed as (dy B) A, never forming B A or a full weight gradient for the frozen weight.
#pragma once

#include <vector>

#include "base/threads.h"
#include "kernels/rows.h"
#include "tuning/model/train_model.h"

namespace lyceum::tuning {

// A float matrix that only ever grows, so that steps after the first allocate nothing.
class Buffer {
 public:
  kernels::Rows rows(size_t rows_wanted, size_t columns) {
    if (values_.size() < rows_wanted * columns) values_.resize(rows_wanted * columns);
    return {values_.data(), rows_wanted, columns};
  }
  float* floats(size_t count) { return rows(1, count).data; }

 private:
  std::vector<float> values_;
};

struct LinearPass {
  ThreadPool& pool;
  Buffer& scratch_input;      // x after dropout
  Buffer& scratch_low;        // (tokens, r)
  uint64_t dropout_key = 0;   // 0 = no dropout

  // low keeps A x for the backward pass; unused without LoRA.
  void forward(const TrainLinear& linear, kernels::ConstRows x, Buffer& low, kernels::Rows y);
  // Adds the parameters' gradients; dx (+)= the gradient with respect to x.
  void backward(const TrainLinear& linear, kernels::ConstRows x, Buffer& low, kernels::ConstRows dy, kernels::Rows dx, kernels::Write write);

 private:
  kernels::ConstRows dropped(const LoraPair& pair, kernels::ConstRows x);
};

// x *= mask / (1 - probability) where the mask is a pure function of (key, row, column).
void apply_dropout(ThreadPool& pool, kernels::Rows x, float probability, uint64_t key);

}  // namespace lyceum::tuning
