// convert.h: between float32 and the stored dtypes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/view.h"

namespace lyceum::kernels {

// One value, round to nearest even; NaN stays a (quiet) NaN, overflow becomes infinity.
float f16_to_f32(uint16_t half) noexcept;
uint16_t f32_to_f16(float value) noexcept;
float bf16_to_f32(uint16_t half) noexcept;
uint16_t f32_to_bf16(float value) noexcept;

// `count` values from or to any alignment. Block dtypes need whole blocks.
void dequantize(tensor::DType dtype, const std::byte* in, size_t count, float* out) noexcept;
// f32, f16, bf16, q8_0 and q4_0 (GGUF's reference rounding).
void quantize(tensor::DType dtype, const float* in, size_t count, std::byte* out) noexcept;

// Row `row` of a weight as floats.
void dequantize_row(const tensor::WeightView& weight, size_t row, float* out) noexcept;

}  // namespace lyceum::kernels
