// layer_norm.h: y = (x - mean) / sqrt(variance + epsilon) * weight + bias, row by row (Ba, Kiros and Hinton 2016). Forward only.
#pragma once

#include "base/threads.h"
#include "kernels/rows.h"

namespace lyceum::kernels {

// weight, bias: x.columns floats. y may be x. Plain C++ with sums in double: the same bytes on every instruction set.
void layer_norm(ThreadPool& pool, ConstRows x, const float* weight, const float* bias, float epsilon, Rows y) noexcept;

}  // namespace lyceum::kernels
