#include "kernels/low_rank_norms.h"

#include <algorithm>
#include <cmath>

#include "kernels/convert.h"
#include "kernels/matmul.h"

namespace lyceum::kernels {

namespace {

constexpr size_t kRowGrain = 64;

template <typename Body>
void for_rows(ThreadPool& pool, size_t rows, const Body& body) {
  pool.run((rows + kRowGrain - 1) / kRowGrain, [&](size_t task, unsigned) {
    for (size_t row = task * kRowGrain; row < std::min(rows, (task + 1) * kRowGrain); ++row) body(row);
  });
}

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
  for_rows(pool, weight.rows, [&](size_t row) {
    std::vector<float> values(weight.columns);
    dequantize_row(weight, row, values.data());
    double sum = 0;
    for (const float value : values) sum += double{value} * double{value};
    out[row] = sum;
  });
  return out;
}

void low_rank_row_norms(ThreadPool& pool, const tensor::WeightView& weight, std::span<const double> square_norms, ConstRows a, ConstRows b, float scale,
                        std::span<float> norms) {
  const size_t rank = a.rows;
  std::vector<float> through(rank * weight.rows);   // (r, out): A w_j
  matmul(pool, a, weight, nullptr, Rows(through.data(), rank, weight.rows));
  const std::vector<double> inner = gram(a);
  for_rows(pool, weight.rows, [&](size_t row) {
    const float* factors = b.row(row);
    double cross = 0, own = 0;
    for (size_t i = 0; i < rank; ++i) {
      cross += double{factors[i]} * double{through[i * weight.rows + row]};
      double sum = 0;
      for (size_t k = 0; k < rank; ++k) sum += inner[i * rank + k] * double{factors[k]};
      own += double{factors[i]} * sum;
    }
    const double square = square_norms[row] + 2.0 * double{scale} * cross + double{scale} * double{scale} * own;
    norms[row] = static_cast<float>(std::sqrt(std::max(square, 0.0)));
  });
}

}  // namespace lyceum::kernels
