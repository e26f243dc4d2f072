#include "kernels/cross_entropy.h"

#include <cstring>

#include "kernels/split.h"
#include "kernels/table.h"

namespace lyceum::kernels {

void cross_entropy(ThreadPool& pool, ConstRows logits, std::span<const int32_t> labels, float* losses) noexcept {
  for_grains(pool, logits.rows, 4 * logits.columns, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) {
      losses[r] = labels[r] == kIgnoredLabel ? 0.0f : table().log_sum_exp(logits.row(r), logits.columns) - logits.row(r)[labels[r]];
    }
  });
}

void cross_entropy_backward(ThreadPool& pool, Rows logits, std::span<const int32_t> labels, float scale, float* losses) noexcept {
  for_grains(pool, logits.rows, 8 * logits.columns, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) {
      float* row = logits.row(r);
      if (labels[r] == kIgnoredLabel) {
        losses[r] = 0.0f;
        std::memset(row, 0, logits.columns * sizeof(float));
        continue;
      }
      const float log_sum = table().log_sum_exp(row, logits.columns);
      losses[r] = log_sum - row[labels[r]];
      table().softmax_gradient(row, log_sum, scale, logits.columns);
      row[labels[r]] -= scale;
    }
  });
}

}  // namespace lyceum::kernels
