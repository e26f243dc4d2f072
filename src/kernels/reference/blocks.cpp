// GGUF's block types, one value at a time: the layouts as one reads them in the specification of the file format
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md names the types; llama.cpp defines the bytes).
//
//   32 values a block (d, m: f16; qs: 16 bytes, value i in the low half of byte i, value i + 16 in the high half)
//     q8_0    d, int8[32]                 d * q
//     q4_0    d, qs                       d * (q - 8)
//     q4_1    d, m, qs                    d * q + m
//     q5_0    d, bits u32, qs             d * (q - 16), bit i of `bits` is the fifth bit of value i
//     q5_1    d, m, bits u32, qs          d * q + m
//     iq4_nl  d, qs                       d * kLevels[q]
//     mxfp4   exponent u8, qs             2^(exponent - 128) * kTwiceFp4[q]
//   64 values a block
//     nf4     scale f32, qs[32] (16 bytes as above for each 32 values)   scale * kNf4Levels[q]
//   256 values a block; sub-blocks of 16 or 32 have a scale and perhaps a minimum of 4, 6 or 8 bits
//     q2_k    scales[16], qs[64], d, dmin         d * (s & 15) * q - dmin * (s >> 4)
//     q3_k    high[32], qs[64], scales[12], d     d * (s - 32) * (q - 4), the third bit is in `high`
//     q4_k    d, dmin, scales[12], qs[128]        d * s * q - dmin * m
//     q5_k    d, dmin, scales[12], high[32], qs[128]
//     q6_k    low[128], high[64], int8 scales[16], d   d * s * (q - 32)
//     iq4_xs  d, scales_high u16, scales_low[4], qs[128]   d * (s - 32) * kLevels[q], eight iq4_nl-like sub-blocks
#include "kernels/reference/blocks.h"

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/convert.h"
#include "kernels/nf4.h"

namespace lyceum::kernels::reference {
namespace {

using tensor::DType;

// The levels of the two 4-bit types that are not linear; they are part of the file format.
constexpr int8_t kLevels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
constexpr int8_t kTwiceFp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

unsigned byte_at(const std::byte* p, size_t i) { return static_cast<unsigned>(p[i]); }
float half_at(const std::byte* p, size_t offset) {
  uint16_t bits;
  std::memcpy(&bits, p + offset, 2);
  return f16_to_f32(bits);
}
unsigned bit_at(const std::byte* p, size_t i) { return byte_at(p, i / 8) >> (i % 8) & 1; }

// 32 values in 16 bytes.
unsigned nibble(const std::byte* qs, size_t i) { return i < 16 ? byte_at(qs, i) & 15 : byte_at(qs, i - 16) >> 4; }
int nibble_int(const std::byte* qs, size_t i) { return static_cast<int>(nibble(qs, i)); }
// 64 values in 32 bytes, s of them before: the nibbles of q4_k and q5_k.
unsigned strip_nibble(const std::byte* qs, size_t i) { return byte_at(qs, i / 64 * 32 + i % 32) >> (i / 32 % 2 * 4) & 15; }
// 128 values in 32 bytes: the crumbs of q2_k and q3_k.
unsigned strip_crumb(const std::byte* qs, size_t i) { return byte_at(qs, i / 128 * 32 + i % 32) >> (i / 32 % 4 * 2) & 3; }

BlockPart part_q2_k(const std::byte* b, size_t i) {
  const unsigned scale = byte_at(b, i / 16);
  const float d = half_at(b, 80) * static_cast<float>(scale & 15), m = half_at(b, 82) * static_cast<float>(scale >> 4);
  return {static_cast<int>(strip_crumb(b + 16, i)), d, -m};
}

// Sixteen 6-bit scales: low halves in 8 bytes, then the high crumbs of scales j, j + 4, j + 8, j + 12 in byte j % 4 of 4 bytes.
BlockPart part_q3_k(const std::byte* b, size_t i) {
  const std::byte* scales = b + 96;
  const size_t j = i / 16;
  const unsigned low = byte_at(scales, j % 8) >> (j / 8 * 4) & 15, high = byte_at(scales, 8 + j % 4) >> (j / 4 * 2) & 3;
  const float d = half_at(b, 108) * static_cast<float>(static_cast<int>(low | high << 4) - 32);
  const unsigned third = byte_at(b, i % 32) >> (i / 32) & 1;
  return {static_cast<int>(strip_crumb(b + 32, i)) - (third != 0 ? 0 : 4), d, 0};
}

struct ScaleMin {
  float scale, min;
};
// Eight 6-bit scales and minima in 12 bytes, as q4_k and q5_k have them.
ScaleMin scale_min(const std::byte* scales, size_t j) {
  if (j < 4) return {static_cast<float>(byte_at(scales, j) & 63), static_cast<float>(byte_at(scales, j + 4) & 63)};
  const unsigned low = byte_at(scales, j + 4);
  return {static_cast<float>((low & 15) | byte_at(scales, j - 4) >> 6 << 4), static_cast<float>(low >> 4 | byte_at(scales, j) >> 6 << 4)};
}

BlockPart part_k45(const std::byte* b, size_t i, unsigned q) {
  const ScaleMin sub = scale_min(b + 4, i / 32);
  return {static_cast<int>(q), half_at(b, 0) * sub.scale, -(half_at(b, 2) * sub.min)};
}
BlockPart part_q4_k(const std::byte* b, size_t i) { return part_k45(b, i, strip_nibble(b + 16, i)); }
BlockPart part_q5_k(const std::byte* b, size_t i) {
  return part_k45(b, i, strip_nibble(b + 48, i) | (byte_at(b, 16 + i % 32) >> (i / 32) & 1) << 4);
}

BlockPart part_q6_k(const std::byte* b, size_t i) {
  const size_t half = i / 128, strip = i / 32 % 4, lane = i % 32;
  const unsigned low = byte_at(b, half * 64 + strip % 2 * 32 + lane) >> (strip / 2 * 4) & 15;
  const unsigned high = byte_at(b, 128 + half * 32 + lane) >> (strip * 2) & 3;
  const auto scale = static_cast<float>(static_cast<int8_t>(b[192 + i / 16]));
  return {static_cast<int>(low | high << 4) - 32, half_at(b, 208) * scale, 0};
}

BlockPart part_iq4_xs(const std::byte* b, size_t i) {
  const size_t j = i / 32;
  uint16_t high_bits;
  std::memcpy(&high_bits, b + 2, 2);
  const unsigned low = byte_at(b, 4 + j / 2) >> (j % 2 * 4) & 15, high = high_bits >> (2 * j) & 3u;
  const float d = half_at(b, 0) * static_cast<float>(static_cast<int>(low | high << 4) - 32);
  return {kLevels[nibble(b + 8 + j * 16, i % 32)], d, 0};
}

}  // namespace

BlockPart block_part(DType dtype, const std::byte* b, size_t i) noexcept {
  switch (dtype) {
    case DType::q8_0: return {static_cast<int8_t>(b[2 + i]), half_at(b, 0), 0};
    case DType::q4_0: return {nibble_int(b + 2, i) - 8, half_at(b, 0), 0};
    case DType::q4_1: return {nibble_int(b + 4, i), half_at(b, 0), half_at(b, 2)};
    case DType::q5_0: return {static_cast<int>(nibble(b + 6, i) | bit_at(b + 2, i) << 4) - 16, half_at(b, 0), 0};
    case DType::q5_1: return {static_cast<int>(nibble(b + 8, i) | bit_at(b + 4, i) << 4), half_at(b, 0), half_at(b, 2)};
    case DType::q2_k: return part_q2_k(b, i);
    case DType::q3_k: return part_q3_k(b, i);
    case DType::q4_k: return part_q4_k(b, i);
    case DType::q5_k: return part_q5_k(b, i);
    case DType::q6_k: return part_q6_k(b, i);
    case DType::iq4_nl: return {kLevels[nibble(b + 2, i)], half_at(b, 0), 0};
    case DType::iq4_xs: return part_iq4_xs(b, i);
    case DType::mxfp4: return {kTwiceFp4[nibble(b + 1, i)], std::ldexp(1.0f, static_cast<int>(b[0]) - 128), 0};
    case DType::nf4:   // its levels are no whole numbers: block_value
    case DType::f32:
    case DType::f16:
    case DType::bf16: break;
  }
  return {0, NAN, 0};
}

bool blocks_add(DType dtype) noexcept {
  return dtype == DType::q4_1 || dtype == DType::q5_1 || dtype == DType::q2_k || dtype == DType::q4_k || dtype == DType::q5_k;
}

size_t group_size(DType dtype) noexcept { return dtype == DType::q2_k || dtype == DType::q3_k || dtype == DType::q6_k ? 16 : 32; }

float block_value(DType dtype, const std::byte* b, size_t i) noexcept {
  if (dtype == DType::nf4) {
    float scale;
    std::memcpy(&scale, b, sizeof scale);
    return kNf4Levels[nibble(b + 4 + i / 32 * 16, i % 32)] * scale;
  }
  const BlockPart part = block_part(dtype, b, i);
  const float product = part.scale * static_cast<float>(part.whole);
  return blocks_add(dtype) ? product + part.add : product;
}

}  // namespace lyceum::kernels::reference
