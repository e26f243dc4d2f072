#include "kernels/optimizer.h"

#include <cmath>
#include <vector>

#include "kernels/split.h"
#include "kernels/table.h"

namespace lyceum::kernels {

void adamw(ThreadPool& pool, const AdamW& options, std::span<float> weights, std::span<const float> gradients, std::span<float> first,
           std::span<float> second) noexcept {
  const double step = static_cast<double>(options.step);
  const double correction1 = 1.0 - std::pow(options.beta1, step), correction2 = 1.0 - std::pow(options.beta2, step);
  const AdamWConstants constants{static_cast<float>(1.0 - options.learning_rate * options.weight_decay),
                                 static_cast<float>(1.0 - options.beta1),
                                 static_cast<float>(options.beta2),
                                 static_cast<float>(1.0 - options.beta2),
                                 static_cast<float>(std::sqrt(correction2)),
                                 static_cast<float>(options.epsilon),
                                 static_cast<float>(-(options.learning_rate / correction1)),
                                 options.gradient_scale};
  for_grains(pool, weights.size(), 4, [&](size_t begin, size_t end) {
    table().adamw(constants, weights.data() + begin, gradients.data() + begin, first.data() + begin, second.data() + begin, end - begin);
  });
}

double global_norm(ThreadPool& pool, std::span<const std::span<const float>> tensors) noexcept {
  // Partial sums of fixed chunks, then added in order; the chunk buffer lives on the stack and is emptied when full.
  constexpr size_t kChunk = 1 << 16, kSlots = 256;
  double slots[kSlots];
  double total = 0.0;
  for (const std::span<const float> tensor : tensors) {
    for (size_t base = 0; base < tensor.size(); base += kChunk * kSlots) {
      const size_t chunks = std::min(kSlots, (tensor.size() - base + kChunk - 1) / kChunk);
      const auto sum_chunk = [&](size_t i) {
        const size_t begin = base + i * kChunk;
        slots[i] = table().sum_squares(tensor.data() + begin, std::min(kChunk, tensor.size() - begin));
      };
      if (chunks == 1) {
        sum_chunk(0);
      } else {
        pool.run(chunks, [&](size_t i, unsigned) { sum_chunk(i); });
      }
      for (size_t i = 0; i < chunks; ++i) total += slots[i];
    }
  }
  return std::sqrt(total);
}

}  // namespace lyceum::kernels
