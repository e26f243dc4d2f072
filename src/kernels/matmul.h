// matmul.h: products with a weight matrix in any stored dtype, and the two products of its backward pass.
//
// Every output element is one chain of fused multiply-adds in ascending order of the inner index, started at zero, then
// times `scale`, then plus bias, then (Write::add) plus the old value. So the bytes do not depend on the number of
// threads, on the instruction set, on blocking, nor on which other rows are in the batch.
// None of these allocate on the heap after the first call of a thread, none throw. Output must not overlap an input.
#pragma once

#include "base/threads.h"
#include "kernels/rows.h"
#include "tensor/view.h"

namespace lyceum::kernels {

// y[rows, out] (+)= scale * x[rows, in] · weightᵀ + bias.   weight: (out, in), any dtype; bias: out floats or null.
// REQUIRES: x.columns == weight.columns, y.columns == weight.rows, x.rows == y.rows.
// Fast paths: rows <= 8 streams the weights once (decode); more rows unpack each weight panel once (prefill, training).
void matmul(ThreadPool& pool, ConstRows x, const tensor::WeightView& weight, const float* bias, Rows y,
            Write write = Write::set, float scale = 1.0f) noexcept;

// dx[rows, in] (+)= scale * dy[rows, out] · weight.
void matmul_dx(ThreadPool& pool, ConstRows dy, const tensor::WeightView& weight, Rows dx, Write write = Write::set,
               float scale = 1.0f) noexcept;

// dw[out, in] (+)= scale * dyᵀ · x, where dy: [rows, out], x: [rows, in].
void matmul_dw(ThreadPool& pool, ConstRows dy, ConstRows x, Rows dw, Write write = Write::add, float scale = 1.0f) noexcept;

// dbias[out] += sum over rows of dy, in row order.
void bias_gradient(ThreadPool& pool, ConstRows dy, float* dbias) noexcept;

// A float matrix as a WeightView, so that LoRA factors and full-parameter training use the functions above.
inline tensor::WeightView f32_view(const float* data, size_t rows, size_t columns) noexcept {
  return {reinterpret_cast<const std::byte*>(data), tensor::DType::f32, rows, columns};
}

}  // namespace lyceum::kernels
