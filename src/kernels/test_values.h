// test_values.h: what the kernel tests share: seeded values, weights in every dtype, and a loop over instruction sets.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/threads.h"
#include "kernels/convert.h"
#include "kernels/dispatch.h"
#include "tensor/view.h"

namespace lyceum::kernels {

// Values in [-1, 1), the same on every machine.
class TestValues {
 public:
  explicit TestValues(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 1) {}
  float next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<float>(static_cast<int64_t>(state_ >> 40) - (1 << 23)) * 0x1p-23f;
  }
  std::vector<float> take(size_t count, float factor = 1.0f) {
    std::vector<float> values(count);
    for (float& value : values) value = next() * factor;
    return values;
  }

 private:
  uint64_t state_;
};

// Where a block type keeps its f16 scale and minimum; empty when quantize() writes the type or it has none.
inline std::vector<size_t> half_offsets(tensor::DType dtype) {
  using tensor::DType;
  switch (dtype) {
    case DType::q4_1:
    case DType::q5_1:
    case DType::q4_k:
    case DType::q5_k: return {0, 2};
    case DType::q5_0:
    case DType::iq4_nl:
    case DType::iq4_xs: return {0};
    case DType::q2_k: return {80, 82};
    case DType::q3_k: return {108};
    case DType::q6_k: return {208};
    default: return {};
  }
}

// Any bytes are a valid block, but for its scales, which must be small numbers.
inline void fill_blocks(tensor::DType dtype, std::byte* out, size_t bytes, TestValues& random) {
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<std::byte>(static_cast<int>(random.next() * 128.0f + 128.0f) & 255);
  const size_t size = tensor::row_bytes(dtype, tensor::block_size(dtype));
  for (std::byte* block = out; block != out + bytes; block += size) {
    if (dtype == tensor::DType::mxfp4) block[0] = static_cast<std::byte>(122 + static_cast<int>(random.next() * 3.0f));
    if (dtype == tensor::DType::nf4) {
      const float scale = 0.1f * std::fabs(random.next());
      std::memcpy(block, &scale, sizeof scale);
    }
    for (const size_t offset : half_offsets(dtype)) {
      const uint16_t half = f32_to_f16(0.01f * random.next());
      std::memcpy(block + offset, &half, 2);
    }
  }
}

// A weight that owns its bytes, one byte off alignment as in a mapped file. Types that quantize() cannot write get random blocks.
struct TestWeight {
  std::vector<std::byte> bytes;
  tensor::WeightView view;
  TestWeight(tensor::DType dtype, size_t rows, size_t columns, const std::vector<float>& values) {
    const size_t stride = tensor::row_bytes(dtype, columns);
    bytes.resize(rows * stride + 1);
    TestValues random(rows + columns);
    const bool written = dtype <= tensor::DType::q4_0;
    for (size_t r = 0; written && r < rows; ++r) quantize(dtype, values.data() + r * columns, columns, bytes.data() + 1 + r * stride);
    if (!written) fill_blocks(dtype, bytes.data() + 1, rows * stride, random);
    view = {bytes.data() + 1, dtype, rows, columns};
  }
};

// Runs body once for every instruction set here, the reference first, and restores the choice.
template <typename Body>
void on_every_isa(const Body& body) {
  const Isa before = current_isa();
  for (const Isa isa : available_isas()) {
    force_isa(isa);
    body(isa);
  }
  force_isa(before);
}

// run(pool) returns floats. Every instruction set must give the reference's within `tolerance` * max(1, |reference|), every thread
// count the same bytes, and all vector instruction sets the same bytes as each other.
template <typename Run>
void expect_agreement(const std::string& what, float tolerance, const Run& run) {
  std::vector<float> expected, vector_bytes;
  on_every_isa([&](Isa isa) {
    ThreadPool one(1), three(3);
    const std::vector<float> got = run(one);
    const std::vector<float> again = run(three);
    ASSERT_EQ(got.size(), again.size());
    EXPECT_EQ(std::memcmp(got.data(), again.data(), got.size() * 4), 0) << what << " on " << name(isa) << " depends on the threads";
    if (isa == Isa::reference) expected = got;
    for (size_t i = 0; i < got.size(); ++i) {
      if (std::isnan(expected[i]) && std::isnan(got[i])) continue;
      const float limit = tolerance * std::fmax(1.0f, std::fabs(expected[i]));
      ASSERT_TRUE(got[i] == expected[i] || std::fabs(got[i] - expected[i]) <= limit)
          << what << " on " << name(isa) << " at " << i << ": " << got[i] << " against " << expected[i];
    }
    if (isa == Isa::reference) return;
    if (vector_bytes.empty()) vector_bytes = got;
    EXPECT_EQ(std::memcmp(got.data(), vector_bytes.data(), got.size() * 4), 0) << what << ": " << name(isa) << " differs from avx2";
  });
}

// The central difference of f (a double function of doubles) along values[index].
template <typename Function>
double slope(const Function& f, std::vector<double> values, size_t index, double step = 1e-4) {
  const double middle = values[index];
  values[index] = middle + step;
  const double above = f(values);
  values[index] = middle - step;
  return (above - f(values)) / (2 * step);
}
inline std::vector<double> widen(const std::vector<float>& values) { return {values.begin(), values.end()}; }

}  // namespace lyceum::kernels
