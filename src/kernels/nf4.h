// nf4.h: 4-bit NormalFloat weights (QLoRA, Dettmers et al. 2023, arXiv 2305.14314) as bitsandbytes stores them, and as products read them.
//
// Stored: the values of a matrix in row-major order, in blocks of 64 that know nothing of rows; the last may be short. A block has a
// float scale, its largest magnitude; a value is the nearest of 16 levels times that. Two values a byte, the first in the high half.
// Read (DType::nf4): 36 bytes a block, the scale and then twice 16 bytes of 32 values as GGUF's types have them (low halves first), so that rows
// are whole blocks: only of matrices whose columns are a multiple of 64.
// None of these throw or allocate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lyceum::kernels {

inline constexpr size_t kNf4Block = 64;
// The levels are part of the format: quantiles of the normal distribution.
inline constexpr float kNf4Levels[16] = {-1.0f,
                                         -0.6961928009986877f,
                                         -0.5250730514526367f,
                                         -0.39491748809814453f,
                                         -0.28444138169288635f,
                                         -0.18477343022823334f,
                                         -0.09105003625154495f,
                                         0.0f,
                                         0.07958029955625534f,
                                         0.16093020141124725f,
                                         0.24611230194568634f,
                                         0.33791524171829224f,
                                         0.44070982933044434f,
                                         0.5626170039176941f,
                                         0.7229568362236023f,
                                         1.0f};

constexpr size_t nf4_blocks(size_t count) noexcept { return (count + kNf4Block - 1) / kNf4Block; }

// packed: (count + 1) / 2 bytes; scales: nf4_blocks(count). A value half-way between two levels takes the lower.
void nf4_quantize(const float* values, size_t count, uint8_t* packed, float* scales) noexcept;
void nf4_dequantize(const uint8_t* packed, const float* scales, size_t count, float* values) noexcept;

// Between the two layouts. REQUIRES: count is a multiple of 64.
void nf4_to_blocks(const uint8_t* packed, const float* scales, size_t count, std::byte* blocks) noexcept;
void nf4_from_blocks(const std::byte* blocks, size_t count, uint8_t* packed, float* scales) noexcept;

}  // namespace lyceum::kernels
