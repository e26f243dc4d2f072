#include "kernels/convert.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/table.h"

namespace lyceum::kernels {
namespace {

// GGUF's q8_0: scale = max |x| / 127, values rounded half away from zero.
void quantize_q8_0(const float* in, std::byte* out) {
  float top = 0.0f;
  for (int i = 0; i < 32; ++i) top = std::fmax(top, std::fabs(in[i]));
  const float scale = top / 127.0f;
  const float inverse = scale == 0.0f ? 0.0f : 1.0f / scale;
  const uint16_t bits = f32_to_f16(scale);
  std::memcpy(out, &bits, 2);
  for (int i = 0; i < 32; ++i) out[2 + i] = static_cast<std::byte>(static_cast<int8_t>(std::round(in[i] * inverse)));
}

// GGUF's q4_0: scale = (the value of largest magnitude, with its sign) / -8; values x / scale + 8.5, cut to 0..15.
void quantize_q4_0(const float* in, std::byte* out) {
  float top = 0.0f;
  for (int i = 0; i < 32; ++i) {
    if (std::fabs(in[i]) > std::fabs(top)) top = in[i];
  }
  const float scale = top / -8.0f;
  const float inverse = scale == 0.0f ? 0.0f : 1.0f / scale;
  const uint16_t bits = f32_to_f16(scale);
  std::memcpy(out, &bits, 2);
  const auto level = [&](int i) { return static_cast<unsigned>(std::fmin(15.0f, std::trunc(in[i] * inverse + 8.5f))); };
  for (int i = 0; i < 16; ++i) out[2 + i] = static_cast<std::byte>(level(i) | level(i + 16) << 4);
}

}  // namespace

float f16_to_f32(uint16_t half) noexcept {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 31, fraction = half & 0x3ff;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | fraction << 13 | (fraction != 0 ? 0x400000u : 0u));
  if (exponent == 0) {
    const float value = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t f32_to_f16(float value) noexcept {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);   // rounds to 65536 or more
  if (magnitude < 0x38800000) {
    // Subnormal: adding 0.5 puts the rounding position at the last bit of the fraction, and the hardware rounds to even.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000));
  }
  const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return static_cast<uint16_t>(sign | (rounded - 0x38000000) >> 13);
}

float bf16_to_f32(uint16_t half) noexcept { return std::bit_cast<float>(static_cast<uint32_t>(half) << 16); }

uint16_t f32_to_bf16(float value) noexcept {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>((bits | 0x400000) >> 16);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void dequantize(tensor::DType dtype, const std::byte* in, size_t count, float* out) noexcept { table().dequantize(dtype, in, count, out); }

void quantize(tensor::DType dtype, const float* in, size_t count, std::byte* out) noexcept {
  switch (dtype) {
    case tensor::DType::q8_0:
      for (size_t i = 0; i < count; i += 32) quantize_q8_0(in + i, out + i / 32 * 34);
      break;
    case tensor::DType::q4_0:
      for (size_t i = 0; i < count; i += 32) quantize_q4_0(in + i, out + i / 32 * 18);
      break;
    default: table().quantize(dtype, in, count, out); break;
  }
}

void dequantize_row(const tensor::WeightView& weight, size_t row, float* out) noexcept {
  dequantize(weight.dtype, weight.data + row * tensor::row_bytes(weight.dtype, weight.columns), weight.columns, out);
}

}  // namespace lyceum::kernels
