#include "kernels/layer_norm.h"

#include <cmath>

#include "kernels/split.h"

namespace lyceum::kernels {
namespace {

void normalise_row(const float* x, size_t count, const float* weight, const float* bias, float epsilon, float* y) noexcept {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]);
  const double mean = sum / static_cast<double>(count);
  for (size_t i = 0; i < count; ++i) {
    const double apart = static_cast<double>(x[i]) - mean;
    squares += apart * apart;
  }
  const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(count) + static_cast<double>(epsilon));
  for (size_t i = 0; i < count; ++i) y[i] = static_cast<float>((static_cast<double>(x[i]) - mean) * inverse) * weight[i] + bias[i];
}

}  // namespace

void layer_norm(ThreadPool& pool, ConstRows x, const float* weight, const float* bias, float epsilon, Rows y) noexcept {
  for_grains(pool, x.rows, 4 * x.columns, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) normalise_row(x.row(row), x.columns, weight, bias, epsilon, y.row(row));
  });
}

}  // namespace lyceum::kernels
