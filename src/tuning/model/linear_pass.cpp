#include "tuning/model/linear_pass.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/random.h"
#include "kernels/matmul.h"

namespace lyceum::tuning {

using kernels::ConstRows;
using kernels::Rows;
using kernels::Write;

namespace {

constexpr size_t kRowGrain = 32;

// body(row) for all rows, in any order.
template <typename Body>
void for_rows(ThreadPool& pool, size_t rows, const Body& body) {
  pool.run((rows + kRowGrain - 1) / kRowGrain, [&](size_t task, unsigned) {
    for (size_t row = task * kRowGrain; row < std::min(rows, (task + 1) * kRowGrain); ++row) body(row);
  });
}

uint64_t mask_key(const LoraPair& pair, uint64_t dropout_key) { return Rng(dropout_key ^ (pair.salt << 40)).next(); }

}  // namespace

void apply_dropout(ThreadPool& pool, Rows x, float probability, uint64_t key) {
  const float keep_scale = 1.0f / (1.0f - probability);
  for_rows(pool, x.rows, [&](size_t row) {
    Rng rng(key + row * 0xd1342543de82ef95ULL);
    for (size_t column = 0; column < x.columns; ++column) x.row(row)[column] *= rng.uniform() < probability ? 0.0f : keep_scale;
  });
}

ConstRows LinearPass::dropped(const LoraPair& pair, ConstRows x) {
  if (pair.dropout == 0 || dropout_key == 0) return x;
  const Rows copy = scratch.input.rows(x.rows, x.columns);
  for (size_t row = 0; row < x.rows; ++row) std::memcpy(copy.row(row), x.row(row), x.columns * sizeof(float));
  apply_dropout(pool, copy, pair.dropout, mask_key(pair, dropout_key));
  return copy;
}

void LinearPass::forward(const TrainLinear& linear, ConstRows x, LinearMemory& memory, Rows y) {
  if (linear.lora && adapters && linear.lora->dora != nullptr) return dora_forward(linear, x, memory, y);
  kernels::matmul(pool, x, linear.weight, linear.bias, y);
  if (!linear.lora || !adapters) return;
  const LoraPair& pair = *linear.lora;
  const Rows reduced = memory.low.rows(x.rows, pair.a->rows);
  kernels::matmul(pool, dropped(pair, x), pair.a->view(), nullptr, reduced);
  kernels::matmul(pool, reduced, pair.b->view(), nullptr, y, Write::add, pair.scale);
}

void LinearPass::backward(const TrainLinear& linear, ConstRows x, LinearMemory& memory, ConstRows dy, Rows dx, Write write) {
  LYCEUM_CHECK(adapters || !linear.lora, "gradients are those of the model with its adapter");
  if (linear.lora && linear.lora->dora != nullptr) return dora_backward(linear, x, memory, dy, dx, write);
  if (Parameter* weight = linear.weight_parameter) {
    kernels::matmul_dw(pool, dy, x, Rows(weight->gradient.data(), weight->rows, weight->columns));
  }
  if (linear.bias_parameter != nullptr) kernels::bias_gradient(pool, dy, linear.bias_parameter->gradient.data());
  if (dx.data != nullptr) kernels::matmul_dx(pool, dy, linear.weight, dx, write);
  if (!linear.lora) return;

  const LoraPair& pair = *linear.lora;
  const ConstRows input = dropped(pair, x);
  low_rank_backward(pair, input, memory.low.rows(x.rows, pair.a->rows), dy);
  if (dx.data == nullptr) return;
  const Rows dreduced = scratch.low.rows(x.rows, pair.a->rows);
  if (input.data == x.data) {
    kernels::matmul_dx(pool, dreduced, pair.a->view(), dx, Write::add);
    return;
  }
  const Rows through = scratch.input.rows(x.rows, x.columns);
  kernels::matmul_dx(pool, dreduced, pair.a->view(), through);
  add_through_dropout(pair, through, dx);
}

// The gradients of A and B; scratch.low is left with that of A x. dy: of the pair's output before `scale`.
void LinearPass::low_rank_backward(const LoraPair& pair, ConstRows input, ConstRows low, ConstRows dy) {
  kernels::matmul_dw(pool, dy, low, Rows(pair.b->gradient.data(), pair.b->rows, pair.b->columns), Write::add, pair.scale);
  const Rows dlow = scratch.low.rows(input.rows, pair.a->rows);
  kernels::matmul_dx(pool, dy, pair.b->view(), dlow, Write::set, pair.scale);
  kernels::matmul_dw(pool, dlow, input, Rows(pair.a->gradient.data(), pair.a->rows, pair.a->columns));
}

void LinearPass::add_through_dropout(const LoraPair& pair, Rows through, Rows dx) {
  apply_dropout(pool, through, pair.dropout, mask_key(pair, dropout_key));
  for_rows(pool, dx.rows, [&](size_t row) {
    for (size_t column = 0; column < dx.columns; ++column) dx.row(row)[column] += through.row(row)[column];
  });
}

// y = c * (W x + s B A x) + b. With dropout PEFT keeps the base's own W x and scales the rest on the dropped x_d:
// y = W x + b + (c - 1) * W x_d + c * s B A x_d.
void LinearPass::dora_forward(const TrainLinear& linear, ConstRows x, LinearMemory& memory, Rows y) {
  const LoraPair& pair = *linear.lora;
  const std::vector<float>& magnitude = pair.dora->magnitude->value;
  const std::vector<float>& norms = pair.dora->norms;
  const ConstRows input = dropped(pair, x);
  const Rows combined = memory.combined.rows(x.rows, y.columns), low = memory.low.rows(x.rows, pair.a->rows);
  const bool dropping = input.data != x.data;
  kernels::matmul(pool, input, linear.weight, nullptr, combined);
  if (dropping) {
    kernels::matmul(pool, x, linear.weight, linear.bias, y);
    for_rows(pool, y.rows, [&](size_t row) {
      for (size_t j = 0; j < y.columns; ++j) y.row(row)[j] -= combined.row(row)[j];
    });
  }
  kernels::matmul(pool, input, pair.a->view(), nullptr, low);
  kernels::matmul(pool, low, pair.b->view(), nullptr, combined, Write::add, pair.scale);
  for_rows(pool, y.rows, [&](size_t row) {
    for (size_t j = 0; j < y.columns; ++j) {
      const float scaled = magnitude[j] / norms[j] * combined.row(row)[j];
      y.row(row)[j] = dropping ? y.row(row)[j] + scaled : scaled + (linear.bias != nullptr ? linear.bias[j] : 0.0f);
    }
  });
}

void LinearPass::dora_backward(const TrainLinear& linear, ConstRows x, LinearMemory& memory, ConstRows dy, Rows dx, Write write) {
  const LoraPair& pair = *linear.lora;
  const DoraScale& dora = *pair.dora;
  const ConstRows input = dropped(pair, x);
  const bool dropping = input.data != x.data;
  const Rows combined = memory.combined.rows(dy.rows, dy.columns), scaled = scratch.output.rows(dy.rows, dy.columns);
  for_rows(pool, dy.rows, [&](size_t row) {
    for (size_t j = 0; j < dy.columns; ++j) {
      combined.row(row)[j] *= dy.row(row)[j] / dora.norms[j];
      scaled.row(row)[j] = dora.magnitude->value[j] / dora.norms[j] * dy.row(row)[j];
    }
  });
  kernels::bias_gradient(pool, combined, dora.magnitude->gradient.data());
  low_rank_backward(pair, input, memory.low.rows(x.rows, pair.a->rows), scaled);
  if (dx.data == nullptr) return;
  const Rows dlow = scratch.low.rows(x.rows, pair.a->rows);
  if (!dropping) {
    kernels::matmul_dx(pool, scaled, linear.weight, dx, write);
    kernels::matmul_dx(pool, dlow, pair.a->view(), dx, Write::add);
    return;
  }
  kernels::matmul_dx(pool, dy, linear.weight, dx, write);
  for_rows(pool, dy.rows, [&](size_t row) {
    for (size_t j = 0; j < dy.columns; ++j) scaled.row(row)[j] -= dy.row(row)[j];
  });
  const Rows through = scratch.input.rows(x.rows, x.columns);
  kernels::matmul_dx(pool, scaled, linear.weight, through);
  kernels::matmul_dx(pool, dlow, pair.a->view(), through, Write::add);
  add_through_dropout(pair, through, dx);
}

}  // namespace lyceum::tuning
