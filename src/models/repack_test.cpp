#include "models/repack.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/convert.h"

namespace lyceum::models {
namespace {

// A matrix of 16 outputs and 64 inputs in two groups, and its values as the layouts of repack.h say them.
struct Example {
  static constexpr size_t kRows = 16, kColumns = 64, kGroups = 2;
  std::vector<uint32_t> weights, zeros;
  std::vector<uint16_t> scales;
  std::vector<float> values;
  PackedMatrix matrix;

  Example(PackedMatrix::Order order, uint32_t bits, uint32_t zero_low, uint32_t zero_high, bool less_one) {
    const size_t a_word = 32 / bits;
    const uint32_t mask = (1u << bits) - 1;
    weights.assign(kColumns * kRows / a_word, 0);
    zeros.assign(kGroups * kRows / a_word, 0);
    const size_t awq_places[] = {0, 4, 1, 5, 2, 6, 3, 7};
    const auto zero = [&](size_t n, size_t g) { return zero_low + static_cast<uint32_t>(n * 5 + g) % (zero_high - zero_low + 1); };
    for (size_t g = 0; g < kGroups; ++g) {
      for (size_t n = 0; n < kRows; ++n) {
        const uint32_t stored = (zero(n, g) - (less_one ? 1 : 0)) & mask;
        const size_t place = order == PackedMatrix::Order::awq ? awq_places[n % 8] : n % a_word;
        zeros[g * kRows / a_word + n / a_word] |= stored << (place * bits);
        scales.push_back(kernels::f32_to_f16(0.01f * static_cast<float>(1 + n + 3 * g)));
      }
    }
    for (size_t n = 0; n < kRows; ++n) {
      for (size_t k = 0; k < kColumns; ++k) {
        const auto q = static_cast<uint32_t>(n * 31 + k * 7 + k / 9) & mask;
        if (order == PackedMatrix::Order::awq) {
          weights[k * kRows / 8 + n / 8] |= q << (awq_places[n % 8] * 4);
        } else {
          weights[k / a_word * kRows + n] |= q << (k % a_word * bits);
        }
        values.push_back(kernels::f16_to_f32(scales[k / 32 * kRows + n]) * (static_cast<float>(q) - static_cast<float>(zero(n, k / 32))));
      }
    }
    const auto bytes = [](const auto& words) { return Bytes(reinterpret_cast<const std::byte*>(words.data()), words.size() * sizeof(words[0])); };
    matrix = {order, bits, less_one, kRows, kColumns, 32, bytes(weights), bytes(zeros), bytes(scales), tensor::DType::f16};
  }

  void expect_exact_as(tensor::DType type) const {
    ASSERT_EQ(find_block_type(matrix), type);
    std::vector<std::byte> blocks(kRows * tensor::row_bytes(type, kColumns));
    ASSERT_TRUE(repack(matrix, type, blocks.data()));
    std::vector<float> got(kRows * kColumns);
    kernels::dequantize(type, blocks.data(), got.size(), got.data());
    for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], values[i]) << i;
  }
};

TEST(Repack, SymmetricGptqIsQ40) { Example(PackedMatrix::Order::gptq, 4, 8, 8, true).expect_exact_as(tensor::DType::q4_0); }
TEST(Repack, GptqWithZeroPointsIsQ50) {
  Example(PackedMatrix::Order::gptq, 4, 0, 15, true).expect_exact_as(tensor::DType::q5_0);
  Example(PackedMatrix::Order::gptq, 4, 3, 12, false).expect_exact_as(tensor::DType::q5_0);
}
TEST(Repack, AwqIsQ50) { Example(PackedMatrix::Order::awq, 4, 0, 15, false).expect_exact_as(tensor::DType::q5_0); }
TEST(Repack, EightBitsInTheMiddleAreQ80) {
  Example(PackedMatrix::Order::gptq, 8, 128, 128, true).expect_exact_as(tensor::DType::q8_0);
  EXPECT_EQ(find_block_type(Example(PackedMatrix::Order::gptq, 8, 100, 140, true).matrix), std::nullopt);
}

TEST(Repack, RefusesScalesThatAreNoHalves) {
  Example example(PackedMatrix::Order::gptq, 4, 8, 8, true);
  std::vector<float> scales(example.scales.size(), 0.1f);   // not a half
  example.matrix.scales = Bytes(reinterpret_cast<const std::byte*>(scales.data()), scales.size() * sizeof(float));
  example.matrix.scale_type = tensor::DType::f32;
  std::vector<std::byte> blocks(Example::kRows * tensor::row_bytes(tensor::DType::q4_0, Example::kColumns));
  EXPECT_FALSE(repack(example.matrix, tensor::DType::q4_0, blocks.data()));
}

TEST(Fp8, HasItsValues) {
  EXPECT_EQ(e4m3_to_f32(0x00), 0.0f);
  EXPECT_EQ(e4m3_to_f32(0x01), 0x1p-9f);
  EXPECT_EQ(e4m3_to_f32(0x08), 0x1p-6f);
  EXPECT_EQ(e4m3_to_f32(0x38), 1.0f);
  EXPECT_EQ(e4m3_to_f32(0xb9), -1.125f);
  EXPECT_EQ(e4m3_to_f32(0x7e), 448.0f);
  EXPECT_TRUE(std::isnan(e4m3_to_f32(0x7f)) && std::isnan(e4m3_to_f32(0xff)));
}

TEST(Fp8, TakesTheScaleOfItsBlock) {
  const std::vector<std::byte> values(3 * 5, std::byte{0x38});   // ones; blocks of 2 x 4 leave a row and a column over
  const float scales[] = {1.0f, 2.0f, 3.0f, 4.0f};
  std::vector<std::byte> out(values.size() * 2);
  fp8_to_bf16(values, 3, 5, {Bytes(reinterpret_cast<const std::byte*>(scales), sizeof(scales)), tensor::DType::f32, 2, 4}, out.data());
  std::vector<float> got(values.size());
  kernels::dequantize(tensor::DType::bf16, out.data(), got.size(), got.data());
  EXPECT_EQ(got, (std::vector<float>{1, 1, 1, 1, 2, 1, 1, 1, 1, 2, 3, 3, 3, 3, 4}));
}

}  // namespace
}  // namespace lyceum::models
