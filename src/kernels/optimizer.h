// optimizer.h: the AdamW step in PyTorch's order of operations, and the global gradient norm.
#pragma once

#include <cstdint>
#include <span>

#include "base/threads.h"

namespace lyceum::kernels {

struct AdamW {
  double learning_rate = 1e-3;   // double, because PyTorch derives 1 - beta and the bias corrections in double
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  uint64_t step = 1;             // 1 for the first step
  float gradient_scale = 1.0f;   // gradients are multiplied by this as they are read (clipping, accumulation)
};

// All four spans have the same length. first and second are the moments, zero before the first step.
void adamw(ThreadPool& pool, const AdamW& options, std::span<float> weights, std::span<const float> gradients,
           std::span<float> first, std::span<float> second) noexcept;

// sqrt(sum of squares over all tensors), accumulated in double in a fixed order.
double global_norm(ThreadPool& pool, std::span<const std::span<const float>> tensors) noexcept;

}  // namespace lyceum::kernels
