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

void softcap(ThreadPool& pool, std::span<float> x, float cap) noexcept {
  constexpr size_t kChunk = 256;
  for_grains(pool, (x.size() + kChunk - 1) / kChunk, 4 * kChunk, [&](size_t begin, size_t end) {
    float powers[kChunk];
    for (size_t at = begin * kChunk; at < std::min(x.size(), end * kChunk); at += kChunk) {
      const size_t count = std::min(kChunk, x.size() - at);
      for (size_t i = 0; i < count; ++i) powers[i] = 2.0f / cap * x[at + i];
      table().exp(powers, powers, count);
      for (size_t i = 0; i < count; ++i) x[at + i] = cap * (1.0f - 2.0f / (powers[i] + 1.0f));   // tanh(z) = 1 - 2 / (e^(2 z) + 1)
    }
  });
}

void softmax(ThreadPool& pool, Rows x, float scale) noexcept {
  for_grains(pool, x.rows, 4 * x.columns, [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) table().softmax(x.row(r), scale, x.columns);
  });
}

void exp(std::span<const float> in, std::span<float> out) noexcept { table().exp(in.data(), out.data(), in.size()); }

}  // namespace lyceum::kernels
