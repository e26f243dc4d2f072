#include "tuning/model/linear_pass.h"

#include <cstring>

#include "base/random.h"
#include "kernels/matmul.h"

namespace lyceum::tuning {

using kernels::ConstRows;
using kernels::Rows;
using kernels::Write;

namespace {

constexpr size_t kRowGrain = 32;

uint64_t mask_key(const LoraPair& pair, uint64_t dropout_key) { return Rng(dropout_key ^ (pair.salt << 40)).next(); }

}  // namespace

void apply_dropout(ThreadPool& pool, Rows x, float probability, uint64_t key) {
  const float keep_scale = 1.0f / (1.0f - probability);
  pool.run((x.rows + kRowGrain - 1) / kRowGrain, [&](size_t task, unsigned) {
    for (size_t row = task * kRowGrain; row < std::min(x.rows, (task + 1) * kRowGrain); ++row) {
      Rng rng(key + row * 0xd1342543de82ef95ULL);
      for (size_t column = 0; column < x.columns; ++column) x.row(row)[column] *= rng.uniform() < probability ? 0.0f : keep_scale;
    }
  });
}

ConstRows LinearPass::dropped(const LoraPair& pair, ConstRows x) {
  if (pair.dropout == 0 || dropout_key == 0) return x;
  const Rows copy = scratch_input.rows(x.rows, x.columns);
  for (size_t row = 0; row < x.rows; ++row) std::memcpy(copy.row(row), x.row(row), x.columns * sizeof(float));
  apply_dropout(pool, copy, pair.dropout, mask_key(pair, dropout_key));
  return copy;
}

void LinearPass::forward(const TrainLinear& linear, ConstRows x, Buffer& low, Rows y) {
  kernels::matmul(pool, x, linear.weight, linear.bias, y);
  if (!linear.lora) return;
  const LoraPair& pair = *linear.lora;
  const Rows reduced = low.rows(x.rows, pair.a->rows);
  kernels::matmul(pool, dropped(pair, x), pair.a->view(), nullptr, reduced);
  kernels::matmul(pool, reduced, pair.b->view(), nullptr, y, Write::add, pair.scale);
}

void LinearPass::backward(const TrainLinear& linear, ConstRows x, Buffer& low, ConstRows dy, Rows dx, Write write) {
  if (Parameter* weight = linear.weight_parameter) {
    kernels::matmul_dw(pool, dy, x, Rows(weight->gradient.data(), weight->rows, weight->columns));
  }
  if (linear.bias_parameter != nullptr) kernels::bias_gradient(pool, dy, linear.bias_parameter->gradient.data());
  kernels::matmul_dx(pool, dy, linear.weight, dx, write);
  if (!linear.lora) return;

  const LoraPair& pair = *linear.lora;
  const Rows reduced = low.rows(x.rows, pair.a->rows);
  kernels::matmul_dw(pool, dy, reduced, Rows(pair.b->gradient.data(), pair.b->rows, pair.b->columns), Write::add, pair.scale);
  const Rows dreduced = scratch_low.rows(x.rows, pair.a->rows);
  kernels::matmul_dx(pool, dy, pair.b->view(), dreduced, Write::set, pair.scale);
  const ConstRows input = dropped(pair, x);
  kernels::matmul_dw(pool, dreduced, input, Rows(pair.a->gradient.data(), pair.a->rows, pair.a->columns));
  if (input.data == x.data) {
    kernels::matmul_dx(pool, dreduced, pair.a->view(), dx, Write::add);
    return;
  }
  const Rows through = scratch_input.rows(x.rows, x.columns);
  kernels::matmul_dx(pool, dreduced, pair.a->view(), through);
  apply_dropout(pool, through, pair.dropout, mask_key(pair, dropout_key));
  for (size_t row = 0; row < dx.rows; ++row) {
    for (size_t column = 0; column < dx.columns; ++column) dx.row(row)[column] += through.row(row)[column];
  }
}

}  // namespace lyceum::tuning
