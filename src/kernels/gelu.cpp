#include "kernels/gelu.h"

#include <cmath>

#include "kernels/split.h"

namespace lyceum::kernels {

void gelu(ThreadPool& pool, Rows x) noexcept {
  for_grains(pool, x.rows, 16 * x.columns, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      float* values = x.row(row);
      for (size_t i = 0; i < x.columns; ++i) values[i] = 0.5f * values[i] * (1.0f + std::erf(values[i] * 0.70710678f));
    }
  });
}

}  // namespace lyceum::kernels
