// The integer products: every instruction set gives the bytes of the plain twin, whatever the threads and the batch, and they keep to the
// bound that the rounding of activations implies.
#include "kernels/integer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "kernels/matmul.h"
#include "kernels/test_values.h"

namespace lyceum::kernels {
namespace {

struct Shape {
  size_t rows, in, out;
};
constexpr Shape kShapes[] = {{1, 32, 64}, {1, 288, 130}, {1, 256, 8}, {2, 256, 65}, {3, 96, 3}, {5, 768, 33}, {8, 1024, 100}, {32, 256, 40}, {33, 512, 17}, {70, 256, 72}};

template <typename Body>
void for_types(size_t in, const Body& body) {
  for (const tensor::DType dtype : tensor::kDTypes) {
    if (has_integer_product(dtype) && in % tensor::block_size(dtype) == 0) body(dtype);
  }
}

// Rows of different magnitude, a block of zeros and one of tiny values among them.
std::vector<float> activations(TestValues& values, size_t rows, size_t columns) {
  std::vector<float> x = values.take(rows * columns);
  for (size_t i = 0; i < x.size(); ++i) x[i] *= 1.0f + static_cast<float>(i / columns);
  std::fill_n(x.begin() + static_cast<ptrdiff_t>(columns - 32), 32, 0.0f);
  if (rows > 1) std::fill_n(x.begin() + static_cast<ptrdiff_t>(columns), 32, 1e-38f);
  return x;
}

std::vector<float> multiply(ThreadPool& pool, ConstRows x, const tensor::WeightView& weight, const float* bias = nullptr, Write write = Write::set, float scale = 1) {
  ActivationBlocks blocks;
  blocks.set(pool, x);
  std::vector<float> y(x.rows * (weight.rows + 3), 0.25f);
  const IntegerProduct product{weight, bias, {y.data(), x.rows, weight.rows, weight.rows + 3}, write, scale};
  matmul_integer(pool, blocks, {&product, 1});
  return y;
}

TEST(Integer, GivesTheReferenceBytesOnEveryIsaAndThreadCount) {
  for (const Shape& s : kShapes) {
    for_types(s.in, [&](tensor::DType dtype) {
      TestValues values(s.rows + s.in);
      const auto x = activations(values, s.rows, s.in), bias = values.take(s.out);
      const TestWeight weight(dtype, s.out, s.in, values.take(s.out * s.in));
      for (const Write write : {Write::set, Write::add}) {
        std::vector<float> expected;
        on_every_isa([&](Isa isa) {
          for (const unsigned threads : {1u, 3u}) {
            ThreadPool pool(threads);
            const auto got = multiply(pool, {x.data(), s.rows, s.in}, weight.view, write == Write::add ? bias.data() : nullptr, write, write == Write::add ? 0.37f : 1.0f);
            if (expected.empty()) expected = got;
            EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * 4), 0)
                << s.rows << "x" << s.in << "x" << s.out << " " << tensor::name(dtype) << " on " << name(isa) << " with " << threads << " threads";
          }
        });
      }
    });
  }
}

TEST(Integer, RowDoesNotDependOnTheOthersInTheBatch) {
  constexpr size_t kRows = 70, kIn = 512, kOut = 150;
  TestValues values(9);
  const auto x = activations(values, kRows, kIn);
  ThreadPool pool(2);
  for_types(kIn, [&](tensor::DType dtype) {
    const TestWeight weight(dtype, kOut, kIn, values.take(kOut * kIn));
    const auto together = multiply(pool, {x.data(), kRows, kIn}, weight.view);
    for (const size_t row : {size_t{0}, size_t{1}, size_t{33}, kRows - 1}) {
      const auto alone = multiply(pool, {x.data() + row * kIn, 1, kIn}, weight.view);
      EXPECT_EQ(std::memcmp(alone.data(), together.data() + row * (kOut + 3), kOut * 4), 0) << tensor::name(dtype) << " row " << row;
    }
  });
}

TEST(Integer, SeveralProductsAtOnceAreThoseApart) {
  constexpr size_t kRows = 40, kIn = 256;
  TestValues values(11);
  const auto x = values.take(kRows * kIn);
  ThreadPool pool(2);
  ActivationBlocks blocks;
  blocks.set(pool, {x.data(), kRows, kIn});
  std::vector<TestWeight> weights;
  std::vector<std::vector<float>> outputs;
  for_types(kIn, [&](tensor::DType dtype) { weights.emplace_back(dtype, 24 + 8 * weights.size(), kIn, values.take((24 + 8 * weights.size()) * kIn)); });
  std::vector<IntegerProduct> products;
  for (TestWeight& weight : weights) outputs.emplace_back(kRows * weight.view.rows);
  for (size_t i = 0; i < weights.size(); ++i) products.push_back({weights[i].view, nullptr, {outputs[i].data(), kRows, weights[i].view.rows}});
  matmul_integer(pool, blocks, products);
  for (size_t i = 0; i < weights.size(); ++i) {
    std::vector<float> alone(outputs[i].size());
    const IntegerProduct product{weights[i].view, nullptr, {alone.data(), kRows, weights[i].view.rows}};
    matmul_integer(pool, blocks, {&product, 1});
    EXPECT_EQ(alone, outputs[i]) << tensor::name(weights[i].view.dtype);
  }
}

// Rounding moves an activation by at most half a step of its block, top / 254. The rest is float rounding.
TEST(Integer, DiffersFromTheExactProductByTheRoundingOfActivationsOnly) {
  constexpr size_t kRows = 3, kIn = 1024, kOut = 64;
  TestValues values(4);
  const auto x = values.take(kRows * kIn);
  ThreadPool pool(1);
  for_types(kIn, [&](tensor::DType dtype) {
    const TestWeight weight(dtype, kOut, kIn, values.take(kOut * kIn));
    const auto got = multiply(pool, {x.data(), kRows, kIn}, weight.view);
    std::vector<float> w(kIn);
    for (size_t n = 0; n < kOut; ++n) {
      dequantize_row(weight.view, n, w.data());
      for (size_t row = 0; row < kRows; ++row) {
        double exact = 0, bound = 0, magnitude = 0;
        for (size_t block = 0; block < kIn; block += 32) {
          double top = 0, weights = 0;
          for (size_t i = block; i < block + 32; ++i) {
            const double value = x[row * kIn + i];
            exact += value * static_cast<double>(w[i]);
            top = std::max(top, std::fabs(value));
            weights += std::fabs(static_cast<double>(w[i]));
          }
          bound += weights * top / 254;
          magnitude += weights * top;
        }
        EXPECT_NEAR(got[row * (kOut + 3) + n], exact, bound + magnitude * 1e-5) << tensor::name(dtype);
      }
    }
  });
}

TEST(Integer, WhatIsNotFiniteStaysSo) {
  TestValues values(5);
  auto x = values.take(3 * 64);
  x[40] = std::numeric_limits<float>::infinity();
  x[64] = std::numeric_limits<float>::quiet_NaN();
  const TestWeight weight(tensor::DType::q8_0, 16, 64, values.take(16 * 64));
  on_every_isa([&](Isa) {
    ThreadPool pool(1);
    const auto y = multiply(pool, {x.data(), 3, 64}, weight.view);
    for (size_t n = 0; n < 16; ++n) {
      EXPECT_TRUE(std::isnan(y[n]));
      EXPECT_TRUE(std::isnan(y[19 + n]));
      EXPECT_TRUE(std::isfinite(y[38 + n]));
    }
  });
}

// Weights of the largest magnitude that a file can hold against activations of the largest: no 16-bit sum may overflow.
TEST(Integer, HoldsTheLargestSums) {
  constexpr size_t kIn = 512, kOut = 16;
  std::vector<float> x(2 * kIn);
  for (size_t i = 0; i < x.size(); ++i) x[i] = i < kIn ? 1.0f : -1.0f;
  for_types(kIn, [&](tensor::DType dtype) {
    for (const int fill : {0x80, 0xff, 0x00, 0x7f}) {
      TestWeight weight(dtype, kOut, kIn, std::vector<float>(kOut * kIn, 1.0f));
      const size_t bytes = tensor::row_bytes(dtype, tensor::block_size(dtype));
      const uint16_t half = f32_to_f16(0.5f);
      for (std::byte* block = weight.bytes.data() + 1; block < weight.bytes.data() + weight.bytes.size(); block += bytes) {
        std::fill_n(block, bytes, static_cast<std::byte>(fill));
        if (dtype == tensor::DType::mxfp4) block[0] = std::byte{127};
        for (const size_t offset : half_offsets(dtype)) std::memcpy(block + offset, &half, 2);
        if (dtype <= tensor::DType::q4_0) std::memcpy(block, &half, 2);
      }
      std::vector<float> expected;
      on_every_isa([&](Isa isa) {
        ThreadPool pool(1);
        const auto got = multiply(pool, {x.data(), 2, kIn}, weight.view);
        if (expected.empty()) expected = got;
        EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * 4), 0) << tensor::name(dtype) << " filled with " << fill << " on " << name(isa);
      });
    }
  });
}

}  // namespace
}  // namespace lyceum::kernels
