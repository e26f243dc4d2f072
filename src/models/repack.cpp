#include "models/repack.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/convert.h"

namespace lyceum::models {

namespace {

constexpr size_t kBlock = 32;

uint32_t word_at(Bytes bytes, size_t index) noexcept {
  uint32_t word;
  std::memcpy(&word, bytes.data() + index * sizeof(word), sizeof(word));
  return word;
}

// Where in its word AWQ keeps output n % 8.
constexpr std::array<uint32_t, 8> kAwqPlaces = {0, 4, 1, 5, 2, 6, 3, 7};

uint32_t field_at(uint32_t word, size_t place, uint32_t bits) noexcept { return word >> (place * bits) & ((1u << bits) - 1); }

int zero_of(const PackedMatrix& matrix, size_t output, size_t group) noexcept {
  const size_t a_word = 32 / matrix.bits, place = matrix.order == PackedMatrix::Order::awq ? kAwqPlaces[output % 8] : output % a_word;
  const uint32_t stored = field_at(word_at(matrix.zeros, group * (matrix.rows / a_word) + output / a_word), place, matrix.bits);
  return static_cast<int>(matrix.zeros_less_one ? (stored + 1) & ((1u << matrix.bits) - 1) : stored);
}

float scale_of(const PackedMatrix& matrix, size_t output, size_t group) noexcept {
  float scale;
  const size_t bytes = tensor::row_bytes(matrix.scale_type, 1);
  kernels::dequantize(matrix.scale_type, matrix.scales.data() + (group * matrix.rows + output) * bytes, 1, &scale);
  return scale;
}

// q of 32 inputs of one output.
void unpack(const PackedMatrix& matrix, size_t output, size_t input, int* q) noexcept {
  if (matrix.order == PackedMatrix::Order::awq) {
    for (size_t i = 0; i < kBlock; ++i) q[i] = static_cast<int>(field_at(word_at(matrix.weights, (input + i) * (matrix.rows / 8) + output / 8), kAwqPlaces[output % 8], 4));
    return;
  }
  const size_t a_word = 32 / matrix.bits;
  for (size_t i = 0; i < kBlock; i += a_word) {
    const uint32_t word = word_at(matrix.weights, (input + i) / a_word * matrix.rows + output);
    for (size_t j = 0; j < a_word; ++j) q[i + j] = static_cast<int>(field_at(word, j, matrix.bits));
  }
}

// The blocks of ggml: kernels/reference/blocks.cpp. `values` are what the scale multiplies.
void write_block(tensor::DType type, uint16_t scale, const int* values, std::byte* out) noexcept {
  std::memcpy(out, &scale, 2);
  auto* bytes = reinterpret_cast<uint8_t*>(out + 2);
  if (type == tensor::DType::q8_0) {
    for (size_t i = 0; i < kBlock; ++i) bytes[i] = static_cast<uint8_t>(values[i]);
    return;
  }
  const bool five = type == tensor::DType::q5_0;
  const int middle = five ? 16 : 8;
  uint32_t fifth = 0;
  for (size_t i = 0; i < kBlock; ++i) fifth |= static_cast<uint32_t>((values[i] + middle) >> 4 & 1) << i;
  if (five) {
    std::memcpy(bytes, &fifth, 4);
    bytes += 4;
  }
  for (size_t i = 0; i < 16; ++i) bytes[i] = static_cast<uint8_t>(((values[i] + middle) & 15) | ((values[i + 16] + middle) & 15) << 4);
}

}  // namespace

std::optional<tensor::DType> find_block_type(const PackedMatrix& matrix) noexcept {
  const int top = (1 << matrix.bits) - 1;
  int low = top, high = 0;
  for (size_t group = 0; group < matrix.groups(); ++group) {
    for (size_t output = 0; output < matrix.rows; ++output) {
      const int zero = zero_of(matrix, output, group);
      low = std::min(low, zero);
      high = std::max(high, zero);
    }
  }
  const auto fits = [&](int least, int most) { return -high >= least && top - low <= most; };
  if (fits(-8, 7)) return tensor::DType::q4_0;
  if (fits(-16, 15)) return tensor::DType::q5_0;
  if (fits(-128, 127)) return tensor::DType::q8_0;
  return std::nullopt;
}

bool repack(const PackedMatrix& matrix, tensor::DType type, std::byte* out) noexcept {
  const size_t stride = tensor::row_bytes(type, matrix.columns), block_bytes = tensor::row_bytes(type, kBlock);
  for (size_t input = 0; input < matrix.columns; input += kBlock) {
    const size_t group = input / matrix.group;
    for (size_t output = 0; output < matrix.rows; ++output) {
      const float scale = scale_of(matrix, output, group);
      const uint16_t half = kernels::f32_to_f16(scale);
      if (kernels::f16_to_f32(half) != scale) return false;
      const int zero = zero_of(matrix, output, group);
      int values[kBlock];
      unpack(matrix, output, input, values);
      for (int& value : values) value -= zero;
      write_block(type, half, values, out + output * stride + input / kBlock * block_bytes);
    }
  }
  return true;
}

float e4m3_to_f32(uint8_t value) noexcept {
  const int exponent = value >> 3 & 15, mantissa = value & 7;
  const float sign = (value & 0x80) != 0 ? -1.0f : 1.0f;
  if (exponent == 15 && mantissa == 7) return std::numeric_limits<float>::quiet_NaN();
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -9);
  return sign * std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
}

void fp8_to_bf16(Bytes values, size_t rows, size_t columns, const Fp8Scales& scales, std::byte* out) noexcept {
  std::array<float, 256> table;
  for (size_t i = 0; i < table.size(); ++i) table[i] = e4m3_to_f32(static_cast<uint8_t>(i));
  const size_t across = (columns + scales.block_columns - 1) / scales.block_columns, scale_bytes = tensor::row_bytes(scales.type, 1);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t begin = 0; begin < columns; begin += scales.block_columns) {
      float scale;
      kernels::dequantize(scales.type, scales.bytes.data() + (row / scales.block_rows * across + begin / scales.block_columns) * scale_bytes, 1, &scale);
      for (size_t i = row * columns + begin; i < row * columns + std::min(columns, begin + scales.block_columns); ++i) {
        const uint16_t rounded = kernels::f32_to_bf16(table[std::to_integer<size_t>(values[i])] * scale);
        std::memcpy(out + 2 * i, &rounded, 2);
      }
    }
  }
}

}  // namespace lyceum::models
