#include "kernels/low_rank_norms.h"

#include <algorithm>
#include <cmath>

#include "kernels/convert.h"
#include "kernels/matmul.h"
#include "kernels/split.h"

namespace lyceum::kernels {

namespace {

// A Aᵀ, (r, r).
std::vector<double> gram(ConstRows a) {
  std::vector<double> out(a.rows * a.rows);
  for (size_t i = 0; i < a.rows; ++i) {
    for (size_t k = 0; k <= i; ++k) {
      double sum = 0;
      for (size_t c = 0; c < a.columns; ++c) sum += double{a.row(i)[c]} * double{a.row(k)[c]};
      out[i * a.rows + k] = out[k * a.rows + i] = sum;
    }
  }
  return out;
}

}  // namespace

std::vector<double> row_square_norms(ThreadPool& pool, const tensor::WeightView& weight) {
  std::vector<double> out(weight.rows);
  for_grains(pool, weight.rows, weight.columns, [&](size_t begin, size_t end) {
    std::vector<float> values(weight.columns);
    for (size_t row = begin; row < end; ++row) {
      dequantize_row(weight, row, values.data());
      double sum = 0;
      for (const float value : values) sum += double{value} * double{value};
      out[row] = sum;
    }
  });
  return out;
}

void low_rank_row_norms(ThreadPool& pool, const tensor::WeightView& weight, std::span<const double> square_norms, ConstRows a, ConstRows b, float scale,
                        std::span<float> norms) {
  const size_t rank = a.rows;
  std::vector<float> through(rank * weight.rows);   // (r, out): A w_j
  matmul(pool, a, weight, nullptr, Rows(through.data(), rank, weight.rows));
  const std::vector<double> inner = gram(a);
  const auto norm_of = [&](size_t row) {
    const float* factors = b.row(row);
    double cross = 0, own = 0;
    for (size_t i = 0; i < rank; ++i) {
      cross += double{factors[i]} * double{through[i * weight.rows + row]};
      double sum = 0;
      for (size_t k = 0; k < rank; ++k) sum += inner[i * rank + k] * double{factors[k]};
      own += double{factors[i]} * sum;
    }
    const double square = square_norms[row] + 2.0 * double{scale} * cross + double{scale} * double{scale} * own;
    return static_cast<float>(std::sqrt(std::max(square, 0.0)));
  };
  for_grains(pool, weight.rows, rank * rank, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) norms[row] = norm_of(row);
  });
}

}  // namespace lyceum::kernels
