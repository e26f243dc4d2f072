// linear_pass.h: forward and backward of one linear layer, trainable or frozen, with or without a LoRA or DoRA pair.
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

// What a layer's backward pass needs of its forward pass, besides x.
struct LinearMemory {
  Buffer low;        // (tokens, r): A x
  Buffer combined;   // DoRA, (tokens, out): W x + scale * B A x
};

struct LinearScratch {
  Buffer input;      // x after dropout
  Buffer low;        // (tokens, r)
  Buffer output;     // DoRA: (tokens, out)
};

struct LinearPass {
  ThreadPool& pool;
  LinearScratch& scratch;
  uint64_t dropout_key = 0;   // 0 = no dropout
  bool adapters = true;       // false: the base alone, as if no layer carried a pair

  // memory is unused without a pair.
  void forward(const TrainLinear& linear, kernels::ConstRows x, LinearMemory& memory, kernels::Rows y);
  // Adds the parameters' gradients; dx (+)= the gradient with respect to x, unless dx is empty. REQUIRES: adapters, as in the forward pass before.
  void backward(const TrainLinear& linear, kernels::ConstRows x, LinearMemory& memory, kernels::ConstRows dy, kernels::Rows dx, kernels::Write write);

 private:
  kernels::ConstRows dropped(const LoraPair& pair, kernels::ConstRows x);
  void dora_forward(const TrainLinear& linear, kernels::ConstRows x, LinearMemory& memory, kernels::Rows y);
  void dora_backward(const TrainLinear& linear, kernels::ConstRows x, LinearMemory& memory, kernels::ConstRows dy, kernels::Rows dx, kernels::Write write);
  void low_rank_backward(const LoraPair& pair, kernels::ConstRows input, kernels::ConstRows low, kernels::ConstRows dy);
  void add_through_dropout(const LoraPair& pair, kernels::Rows through, kernels::Rows dx);
};

// x *= mask / (1 - probability) where the mask is a pure function of (key, row, column).
void apply_dropout(ThreadPool& pool, kernels::Rows x, float probability, uint64_t key);

}  // namespace lyceum::tuning
