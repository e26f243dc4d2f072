// dynamic8.h: a float as one byte of bitsandbytes' dynamic map (Dettmers 2015, arXiv 1511.04561; 2021, arXiv 2110.02861): the more leading zeros
// an exponent part has, the fewer bits are left for the fraction, so that small values keep a relative precision. Blocks of 256 values have a float
// scale each, their largest magnitude. Used for the moments of 8-bit AdamW and for the scales of double-quantised NF4 weights.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace lyceum::kernels {

inline constexpr size_t kDynamic8Block = 256;
using DynamicMap = std::array<float, 256>;   // ascending

constexpr size_t dynamic8_blocks(size_t count) noexcept { return (count + kDynamic8Block - 1) / kDynamic8Block; }

// Signed: from almost -1 to 1; unsigned: from 0 to 1. Made once.
const DynamicMap& dynamic_map(bool is_signed) noexcept;

// The nearest value of the map, the lower of two as near; scales: dynamic8_blocks(count).
void dynamic8_quantize(const DynamicMap& map, const float* values, size_t count, uint8_t* codes, float* scales) noexcept;
void dynamic8_dequantize(const DynamicMap& map, const uint8_t* codes, const float* scales, size_t count, float* values) noexcept;

}  // namespace lyceum::kernels
