#include "kernels/elementwise.h"

#include "kernels/split.h"
#include "kernels/table.h"

namespace lyceum::kernels {

void silu_mul(ThreadPool& pool, ConstRows gate, ConstRows up, Rows out) noexcept {
  for_grains(pool, gate.rows, 4 * gate.columns, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) table().silu_mul(gate.row(r), up.row(r), out.row(r), gate.columns);
  });
}

void gelu_mul(ThreadPool& pool, ConstRows gate, ConstRows up, Rows out) noexcept {
  for_grains(pool, gate.rows, 4 * gate.columns, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) table().gelu_mul(gate.row(r), up.row(r), out.row(r), gate.columns);
  });
}

void silu_mul_backward(ThreadPool& pool, ConstRows gate, ConstRows up, ConstRows dout, Rows dgate, Rows dup) noexcept {
  for_grains(pool, gate.rows, 6 * gate.columns, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) {
      table().silu_mul_backward(gate.row(r), up.row(r), dout.row(r), dgate.row(r), dup.row(r), gate.columns);
    }
  });
}

void add(ThreadPool& pool, ConstRows x, Rows y, float scale) noexcept {
  for_grains(pool, x.rows, x.columns, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) table().add(x.row(r), y.row(r), scale, x.columns);
  });
}

void add_bias(ThreadPool& pool, const float* bias, Rows y) noexcept {
  for_grains(pool, y.rows, y.columns, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) table().add(bias, y.row(r), 1.0f, y.columns);
  });
}

void scale(ThreadPool& pool, std::span<float> x, float factor) noexcept {
  for_grains(pool, x.size(), 1, [&](size_t begin, size_t end) { table().scale(x.data() + begin, factor, end - begin); });
}

void softmax(ThreadPool& pool, Rows x, float scale) noexcept {
  for_grains(pool, x.rows, 4 * x.columns, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) table().softmax(x.row(r), scale, x.columns);
  });
}

void exp(std::span<const float> in, std::span<float> out) noexcept { table().exp(in.data(), out.data(), in.size()); }

}  // namespace lyceum::kernels
