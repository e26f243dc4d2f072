#include "kernels/encode.h"

#include "kernels/encode_search.h"

namespace lyceum::kernels {
namespace {

using search::Group;
using tensor::DType;

constexpr size_t kBlock = 256;
constexpr int8_t kLevels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};   // of iq4_nl and iq4_xs
constexpr float kTwiceFp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

constexpr size_t nearest_index(int value) {
  size_t best = 0;
  for (size_t i = 1; i < 16; ++i) {
    if ((kLevels[i] > value ? kLevels[i] - value : value - kLevels[i]) < (kLevels[best] > value ? kLevels[best] - value : value - kLevels[best])) best = i;
  }
  return best;
}
constexpr auto kNearest = [] {
  std::array<uint8_t, 256> out{};
  for (int i = 0; i < 256; ++i) out[static_cast<size_t>(i)] = static_cast<uint8_t>(nearest_index(i - 128));
  return out;
}();
constexpr search::Table kIq4 = [] {
  search::Table out{};
  for (size_t i = 0; i < 256; ++i) out.of[i] = kLevels[kNearest[i]];
  return out;
}();

void put_half(std::byte* at, float value) noexcept {
  const uint16_t bits = f32_to_f16(value);
  std::memcpy(at, &bits, 2);
}
void put_byte(std::byte* at, unsigned value) noexcept { *at = static_cast<std::byte>(value); }
void or_byte(std::byte* at, unsigned value) noexcept { *at |= static_cast<std::byte>(value); }

// 32 values in 16 bytes: value i in the low half of byte i, value i + 16 in the high half.
void put_nibbles(const uint8_t* q, std::byte* out) noexcept {
  for (size_t i = 0; i < 16; ++i) put_byte(out + i, (q[i] & 15u) | (q[i + 16] & 15u) << 4);
}
void put_fifth_bits(const uint8_t* q, std::byte* out) noexcept {
  uint32_t bits = 0;
  for (size_t i = 0; i < 32; ++i) bits |= static_cast<uint32_t>(q[i] >> 4) << i;
  std::memcpy(out, &bits, 4);
}

// --- types of 32 values ---------------------------------------------------------------------------------------------------------

uint8_t level_of(float value, float top) noexcept { return static_cast<uint8_t>(std::fmax(0.0f, std::fmin(top, std::trunc(value)))); }

// ggml's rounding of q4_0 (depth 8) and q5_0 (16): the value of largest magnitude becomes level 0.
float plain_scale(const float* x, int depth) noexcept {
  float largest = 0;
  for (size_t i = 0; i < 32; ++i) {
    if (std::fabs(x[i]) > std::fabs(largest)) largest = x[i];
  }
  return largest / static_cast<float>(-depth);
}

void encode_q5_0(const float* x, const float* w, std::byte* out) noexcept {
  const float scale = w == nullptr ? plain_scale(x, 16) : search::half(search::find_scale<32>({x, w}, search::Linear{-16, 15}));
  const float inverse = search::inverse_of(scale);
  uint8_t q[32];
  for (size_t i = 0; i < 32; ++i) q[i] = level_of(x[i] * inverse + 16.5f, 31);
  put_half(out, scale);
  put_fifth_bits(q, out + 2);
  put_nibbles(q, out + 6);
}

void encode_q4_0(const float* x, const float* w, std::byte* out) noexcept {
  if (w == nullptr) return quantize(DType::q4_0, x, 32, out);
  const float scale = search::half(search::find_scale<32>({x, w}, search::Linear{-8, 7})), inverse = search::inverse_of(scale);
  uint8_t q[32];
  for (size_t i = 0; i < 32; ++i) q[i] = level_of(x[i] * inverse + 8.5f, 15);
  put_half(out, scale);
  put_nibbles(q, out + 2);
}

// q4_1 (top 15) and q5_1 (31). ggml rounds with the float scale and stores its half; the search rounds with the half.
void encode_offset(const float* x, const float* w, float top, std::byte* out) noexcept {
  search::Affine found;
  if (w == nullptr) {
    const auto [low, high] = std::minmax_element(x, x + 32);
    found = {(*high - *low) / top, *low};
  } else {
    found = search::find_affine<32>({x, w}, top, true);
    found = {search::half(found.scale), search::half(found.offset)};
  }
  const float inverse = search::inverse_of(found.scale);
  uint8_t q[32];
  for (size_t i = 0; i < 32; ++i) q[i] = level_of((x[i] - found.offset) * inverse + 0.5f, top);
  put_half(out, found.scale);
  put_half(out + 2, found.offset);
  if (top > 15) put_fifth_bits(q, out + 4);
  put_nibbles(q, out + (top > 15 ? 8 : 4));
}

void encode_iq4_nl(const float* x, const float* w, std::byte* out) noexcept {
  const float scale = search::half(search::find_scale<32>({x, w}, kIq4)), inverse = search::inverse_of(scale);
  uint8_t q[32];
  for (size_t i = 0; i < 32; ++i) q[i] = kNearest[static_cast<size_t>(search::round(search::clamp(search::all(x[i] * inverse), -128, 127))[0]) + 128];
  put_half(out, scale);
  put_nibbles(q, out + 2);
}

float mxfp4_error(const float* x, const float* w, int exponent, uint8_t* q) noexcept {
  const float scale = std::ldexp(1.0f, exponent - 128);
  float total = 0;
  for (size_t i = 0; i < 32; ++i) {
    size_t best = 0;
    for (size_t k = 1; k < 16; ++k) {
      if (std::fabs(scale * kTwiceFp4[k] - x[i]) < std::fabs(scale * kTwiceFp4[best] - x[i])) best = k;
    }
    q[i] = static_cast<uint8_t>(best);
    const float rest = x[i] - scale * kTwiceFp4[best];
    total += (w == nullptr ? 1 : w[i]) * rest * rest;
  }
  return total;
}

void encode_mxfp4(const float* x, const float* w, std::byte* out) noexcept {
  float largest = 0;
  for (size_t i = 0; i < 32; ++i) largest = std::fmax(largest, std::fabs(x[i]));
  int exponent = largest > 0 ? std::max(0, static_cast<int>(std::floor(std::log2(largest))) - 2 + 127) : 0;
  uint8_t q[32];
  float least = mxfp4_error(x, w, exponent, q);
  if (w != nullptr && largest > 0) {
    for (const int other : {exponent - 1, exponent + 1}) {
      uint8_t levels[32];
      const float error = other < 0 ? least : mxfp4_error(x, w, other, levels);
      if (!(error < least)) continue;
      least = error;
      exponent = other;
      std::copy_n(levels, 32, q);
    }
  }
  put_byte(out, static_cast<unsigned>(exponent));
  put_nibbles(q, out + 1);
}

// --- types of 256 values --------------------------------------------------------------------------------------------------------

// Levels of a whole block, counted from 0.
template <size_t N, typename Levels>
void levels_of(const Group& block, const search::ScaledBlock<N>& found, const Levels& levels, int offset, uint8_t* q) noexcept {
  for (size_t i = 0; i < kBlock; i += 4) {
    const float scale = found.d * static_cast<float>(found.scale[i / N]);
    const search::F4 level = levels.nearest(search::load(block.x + i) * search::all(search::inverse_of(scale)));
    for (size_t k = 0; k < 4; ++k) q[i + k] = static_cast<uint8_t>(static_cast<int>(level[k]) + offset);
  }
}
template <size_t N>
void levels_of(const Group& block, const search::AffineBlock<N>& found, float top, uint8_t* q) noexcept {
  for (size_t i = 0; i < kBlock; ++i) {
    const float scale = found.d * static_cast<float>(found.scale[i / N]), offset = -found.dmin * static_cast<float>(found.min[i / N]);
    const search::F4 level = search::round(search::clamp(search::all((block.x[i] - offset) * search::inverse_of(scale)), 0, top));
    q[i] = static_cast<uint8_t>(level[0]);
  }
}

// The two lowest bits: 128 values in 32 bytes.
void put_crumbs(const uint8_t* q, std::byte* out) noexcept {
  for (size_t i = 0; i < 64; ++i) {
    const uint8_t* at = q + i / 32 * 128 + i % 32;
    put_byte(out + i, (at[0] & 3u) | (at[32] & 3u) << 2 | (at[64] & 3u) << 4 | (at[96] & 3u) << 6);
  }
}
// The four lowest bits: 64 values in 32 bytes.
void put_strips(const uint8_t* q, std::byte* out) noexcept {
  for (size_t i = 0; i < 128; ++i) {
    const uint8_t* at = q + i / 32 * 64 + i % 32;
    put_byte(out + i, (at[0] & 15u) | (at[32] & 15u) << 4);
  }
}
// Bit `bit` of value i in bit i / 32 of byte i % 32.
void put_high_bits(const uint8_t* q, unsigned bit, std::byte* out) noexcept {
  for (size_t i = 0; i < kBlock; ++i) or_byte(out + i % 32, (q[i] >> bit & 1u) << (i / 32));
}

void encode_q2_k(const Group& block, std::byte* out) noexcept {
  const search::AffineBlock<16> found = search::find_affine_block<16>(block, 15, 3);
  uint8_t q[kBlock];
  levels_of<16>(block, found, 3, q);
  for (size_t j = 0; j < 16; ++j) put_byte(out + j, static_cast<unsigned>(found.scale[j] | found.min[j] << 4));
  put_crumbs(q, out + 16);
  put_half(out + 80, found.d);
  put_half(out + 82, found.dmin);
}

void encode_q3_k(const Group& block, std::byte* out) noexcept {
  const search::Linear levels{-4, 3};
  const search::ScaledBlock<16> found = search::find_scaled_block<16>(block, -32, 31, levels);
  uint8_t q[kBlock];
  levels_of<16>(block, found, levels, 4, q);
  put_high_bits(q, 2, out);
  put_crumbs(q, out + 32);
  for (size_t j = 0; j < 16; ++j) {
    const auto scale = static_cast<unsigned>(found.scale[j] + 32);
    or_byte(out + 96 + j % 8, (scale & 15) << (j / 8 * 4));
    or_byte(out + 104 + j % 4, scale >> 4 << (j / 4 * 2));
  }
  put_half(out + 108, found.d);
}

// q4_k and q5_k: eight 6-bit scales and minima in 12 bytes.
void put_scale_mins(const search::AffineBlock<32>& found, std::byte* out) noexcept {
  for (size_t j = 0; j < 8; ++j) {
    const auto scale = static_cast<unsigned>(found.scale[j]), min = static_cast<unsigned>(found.min[j]);
    if (j < 4) {
      or_byte(out + j, scale);
      or_byte(out + j + 4, min);
    } else {
      or_byte(out + j + 4, (scale & 15) | (min & 15) << 4);
      or_byte(out + j - 4, scale >> 4 << 6);
      or_byte(out + j, min >> 4 << 6);
    }
  }
}

void encode_q45_k(const Group& block, bool fifth, std::byte* out) noexcept {
  const float top = fifth ? 31 : 15;
  const search::AffineBlock<32> found = search::find_affine_block<32>(block, 63, top);
  uint8_t q[kBlock];
  levels_of<32>(block, found, top, q);
  put_half(out, found.d);
  put_half(out + 2, found.dmin);
  put_scale_mins(found, out + 4);
  if (fifth) put_high_bits(q, 4, out + 16);
  put_strips(q, out + (fifth ? 48 : 16));
}

void encode_q6_k(const Group& block, std::byte* out) noexcept {
  const search::Linear levels{-32, 31};
  const search::ScaledBlock<16> found = search::find_scaled_block<16>(block, -128, 127, levels);
  uint8_t q[kBlock];
  levels_of<16>(block, found, levels, 32, q);
  for (size_t i = 0; i < kBlock; ++i) {
    const size_t half = i / 128, strip = i / 32 % 4, lane = i % 32;
    or_byte(out + half * 64 + strip % 2 * 32 + lane, (q[i] & 15u) << (strip / 2 * 4));
    or_byte(out + 128 + half * 32 + lane, static_cast<unsigned>(q[i] >> 4) << (strip * 2));
  }
  for (size_t j = 0; j < 16; ++j) put_byte(out + 192 + j, static_cast<uint8_t>(found.scale[j]));
  put_half(out + 208, found.d);
}

void encode_iq4_xs(const Group& block, std::byte* out) noexcept {
  const search::ScaledBlock<32> found = search::find_scaled_block<32>(block, -32, 31, kIq4);
  uint16_t high = 0;
  for (size_t j = 0; j < 8; ++j) {
    const auto code = static_cast<unsigned>(found.scale[j] + 32);
    or_byte(out + 4 + j / 2, (code & 15) << (j % 2 * 4));
    high = static_cast<uint16_t>(high | code >> 4 << (2 * j));
    const float inverse = search::inverse_of(found.d * static_cast<float>(found.scale[j]));
    uint8_t q[32];
    for (size_t i = 0; i < 32; ++i) q[i] = kNearest[static_cast<size_t>(search::round(search::clamp(search::all(block.x[j * 32 + i] * inverse), -128, 127))[0]) + 128];
    put_nibbles(q, out + 8 + j * 16);
  }
  put_half(out, found.d);
  std::memcpy(out + 2, &high, 2);
}

void encode_block(DType dtype, const float* x, const float* given, const float* w, std::byte* out) noexcept {
  const Group block{x, w};
  switch (dtype) {
    case DType::q4_0: return encode_q4_0(x, given, out);
    case DType::q4_1: return encode_offset(x, given, 15, out);
    case DType::q5_0: return encode_q5_0(x, given, out);
    case DType::q5_1: return encode_offset(x, given, 31, out);
    case DType::mxfp4: return encode_mxfp4(x, given, out);
    case DType::iq4_nl: return encode_iq4_nl(x, w, out);
    case DType::q2_k: return encode_q2_k(block, out);
    case DType::q3_k: return encode_q3_k(block, out);
    case DType::q4_k: return encode_q45_k(block, false, out);
    case DType::q5_k: return encode_q45_k(block, true, out);
    case DType::q6_k: return encode_q6_k(block, out);
    case DType::iq4_xs: return encode_iq4_xs(block, out);
    case DType::f32:
    case DType::f16:
    case DType::bf16:
    case DType::q8_0:
    case DType::nf4: return;   // nf4: in no file of ours as rows (tensor/view.h)
  }
}

}  // namespace

void encode_row(DType dtype, const float* values, size_t count, const float* importance, std::byte* out) noexcept {
  const size_t block = tensor::block_size(dtype), bytes = tensor::row_bytes(dtype, block);
  if (block == 1 || dtype == DType::q8_0) return quantize(dtype, values, count, out);
  float mean = 0;
  for (size_t i = 0; importance != nullptr && i < count; ++i) mean += importance[i] / static_cast<float>(count);
  const float floor = 1e-4f * mean;   // a column that the text never used still counts a little
  std::memset(out, 0, tensor::row_bytes(dtype, count));
  float w[kBlock];
  for (size_t i = 0; i < count; i += block, out += bytes) {
    for (size_t k = 0; k < block; ++k) w[k] = mean > 0 ? importance[i + k] / mean + floor / mean : 1.0f;
    encode_block(dtype, values + i, mean > 0 ? w : nullptr, w, out);
  }
}

}  // namespace lyceum::kernels
