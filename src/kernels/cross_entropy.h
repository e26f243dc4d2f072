// cross_entropy.h: the loss of next-token prediction and its gradient, a chunk of rows at a time so that the caller never
// holds the logits of a whole batch.
#pragma once

#include <cstdint>
#include <span>

#include "base/threads.h"
#include "kernels/rows.h"

namespace lyceum::kernels {

inline constexpr int32_t kIgnoredLabel = -100;

// losses[r] = log(sum(exp(logits[r]))) - logits[r, labels[r]], or 0 where the label is kIgnoredLabel.
void cross_entropy(ThreadPool& pool, ConstRows logits, std::span<const int32_t> labels, float* losses) noexcept;

// The same, and logits are replaced by scale * (softmax(logits) - one_hot(label)); zeros for ignored rows.
void cross_entropy_backward(ThreadPool& pool, Rows logits, std::span<const int32_t> labels, float scale, float* losses) noexcept;

}  // namespace lyceum::kernels
