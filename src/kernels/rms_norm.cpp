#include "kernels/rms_norm.h"

#include "kernels/split.h"
#include "kernels/table.h"

namespace lyceum::kernels {

void rms_norm(ThreadPool& pool, ConstRows x, const tensor::WeightView& weight, float epsilon, Rows y, float* rstd) noexcept {
  for_grains(pool, x.rows, 2 * x.columns, [&](size_t begin, size_t end) { table().rms_norm(x, weight, epsilon, y, rstd, begin, end); });
}

void rms_norm_backward(ThreadPool& pool, ConstRows x, const tensor::WeightView& weight, const float* rstd, ConstRows dy, Rows dx,
                       float* dweight, Write write) noexcept {
  // dweight first: dx may overwrite dy.
  if (dweight != nullptr) {
    constexpr size_t kChunk = 64;
    for_grains(pool, (x.columns + kChunk - 1) / kChunk, 2 * x.rows * kChunk, [&](size_t begin, size_t end) {
      table().rms_norm_dweight(x, rstd, dy, dweight, begin * kChunk, std::min(x.columns, end * kChunk));
    });
  }
  for_grains(pool, x.rows, 3 * x.columns, [&](size_t begin, size_t end) { table().rms_norm_dx(x, weight, rstd, dy, dx, write, begin, end); });
}

}  // namespace lyceum::kernels
