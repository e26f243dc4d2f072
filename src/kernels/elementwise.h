// elementwise.h: SwiGLU, GeGLU, sums, scaling, softmax.
#pragma once

#include <span>

#include "base/threads.h"
#include "kernels/rows.h"

namespace lyceum::kernels {

// out = silu(gate) * up, where silu(z) = z / (1 + exp(-z)). out may be gate or up.
void silu_mul(ThreadPool& pool, ConstRows gate, ConstRows up, Rows out) noexcept;
// dgate, dup = gradients of silu_mul for the gradient dout. dgate may be gate, dup may be up, either may be dout.
void silu_mul_backward(ThreadPool& pool, ConstRows gate, ConstRows up, ConstRows dout, Rows dgate, Rows dup) noexcept;

// out = gelu(gate) * up with the tanh approximation: gelu(z) = z / (1 + exp(-2 u)), u = sqrt(2 / pi) (z + 0.044715 z³)
// (Hendrycks and Gimpel 2016). out may be gate or up. Forward only.
void gelu_mul(ThreadPool& pool, ConstRows gate, ConstRows up, Rows out) noexcept;

// x = cap * tanh(x / cap).
void softcap(ThreadPool& pool, std::span<float> x, float cap) noexcept;

// y += scale * x.
void add(ThreadPool& pool, ConstRows x, Rows y, float scale = 1.0f) noexcept;
// y[r, c] += bias[c].
void add_bias(ThreadPool& pool, const float* bias, Rows y) noexcept;
// x *= factor.
void scale(ThreadPool& pool, std::span<float> x, float factor) noexcept;
// Each row in place: x = softmax(scale * x).
void softmax(ThreadPool& pool, Rows x, float scale = 1.0f) noexcept;
// out[i] = e^in[i] with the polynomial all kernels use: at most 2 ulp from the true value, same bytes on every instruction
// set; below -87.3 the result is 0, above 88.7 infinity.
void exp(std::span<const float> in, std::span<float> out) noexcept;

}  // namespace lyceum::kernels
