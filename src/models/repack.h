// repack.h: matrices of GPTQ, AWQ and FP8 files in the types that the kernels compute with, value for value.
//
// A packed matrix holds for every input k and output n a whole number q; groups of inputs share a scale and a zero point for each output, and the
// weight is scale * (q - zero). Stored so (int32 words, the lowest bits first):
//     GPTQ  weights (in * bits / 32, out): a word holds consecutive inputs of one output; zeros (groups, out * bits / 32): consecutive outputs
//     AWQ   weights (in, out / 8) and zeros (groups, out / 8): a word holds eight consecutive outputs in the order 0 2 4 6 1 3 5 7
// Since scales are halves, such weights are exactly those of a block type with the same scale: Q4_0 is scale * (-8 .. 7), Q5_0 scale * (-16 .. 15),
// which has room for every q - zero of four bits, Q8_0 scale * (-128 .. 127).
// Published layouts: AutoGPTQ's and AutoAWQ's `pack`; Frantar et al., "GPTQ" (2022); Lin et al., "AWQ" (2023).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "tensor/view.h"

namespace lyceum::models {

struct PackedMatrix {
  enum class Order : uint8_t { gptq, awq };
  Order order = Order::gptq;
  uint32_t bits = 4;             // 4, or 8 with Order::gptq
  bool zeros_less_one = false;   // stored zero points are one below, modulo 2^bits
  size_t rows = 0, columns = 0;  // outputs, a multiple of 8; inputs, a multiple of 32
  size_t group = 0;              // inputs, a multiple of 32
  Bytes weights, zeros, scales;
  tensor::DType scale_type = tensor::DType::f16;

  size_t groups() const noexcept { return (columns + group - 1) / group; }
};

// The smallest block type that holds all its values; nullopt when none does (8 bits with zero points far from the middle).
std::optional<tensor::DType> find_block_type(const PackedMatrix& matrix) noexcept;
// Writes rows * row_bytes(type, columns) bytes. False if a scale is not a half, exactly.
bool repack(const PackedMatrix& matrix, tensor::DType type, std::byte* out) noexcept;

// FP8 e4m3 (one sign, four exponent, three mantissa bits; no infinity) as float.
float e4m3_to_f32(uint8_t value) noexcept;

// Scales of an FP8 matrix: one for block_rows x block_columns values, row-major blocks, the last ones cut.
struct Fp8Scales {
  Bytes bytes;
  tensor::DType type = tensor::DType::f32;
  size_t block_rows = 1, block_columns = 1;
};
// value * scale, rounded to bfloat16 (to nearest even): what DeepSeek's own conversion writes. (rows * columns) bf16 values.
void fp8_to_bf16(Bytes values, size_t rows, size_t columns, const Fp8Scales& scales, std::byte* out) noexcept;

}  // namespace lyceum::models
