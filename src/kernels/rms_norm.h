// rms_norm.h: y = x / sqrt(mean(x²) + epsilon) * weight, row by row, and its gradient.
#pragma once

#include "base/threads.h"
#include "kernels/rows.h"
#include "tensor/view.h"

namespace lyceum::kernels {

// weight: x.columns values in f32, f16 or bf16. For norms per head view x as (tokens * heads, head_dim).
// rstd: null, or x.rows floats that receive 1 / sqrt(mean(x²) + epsilon) for the backward pass. y may be x.
void rms_norm(ThreadPool& pool, ConstRows x, const tensor::WeightView& weight, float epsilon, Rows y, float* rstd = nullptr) noexcept;

// dx (+)= the gradient with respect to x; dweight (x.columns floats, null to skip) is added to, in row order. dx may be dy.
void rms_norm_backward(ThreadPool& pool, ConstRows x, const tensor::WeightView& weight, const float* rstd, ConstRows dy,
                       Rows dx, float* dweight, Write write = Write::set) noexcept;

}  // namespace lyceum::kernels
