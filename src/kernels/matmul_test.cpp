#include "kernels/matmul.h"

#include <gtest/gtest.h>
#include <link.h>

#include <algorithm>
#include <cstring>

#include "kernels/test_values.h"

namespace lyceum::kernels {
namespace {

// Every thread of the program pays for what is in thread-local storage, and a web server has a thousand that never multiply.
TEST(Threads, CarryNoScratchSpaceUntilTheyCompute) {
  size_t bytes = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* out) {
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          if (info->dlpi_phdr[i].p_type == PT_TLS) *static_cast<size_t*>(out) = std::max<size_t>(*static_cast<size_t*>(out), info->dlpi_phdr[i].p_memsz);
        }
        return 0;
      },
      &bytes);
  EXPECT_LT(bytes, 16384u);
}

struct Shape {
  size_t rows, in, out;
};
constexpr Shape kShapes[] = {{1, 1, 1},     {1, 32, 64},   {1, 288, 130}, {2, 64, 65},   {3, 96, 63},    {5, 320, 17}, {6, 64, 16},
                             {7, 544, 100}, {8, 32, 1},    {13, 64, 129}, {61, 300, 77}, {64, 64, 64},   {97, 7, 300}, {250, 9, 8},
                             {300, 64, 70}, {2, 1024, 50}, {17, 31, 33},  {1, 1056, 130}, {200, 288, 140},
                             {1, 256, 40},  {5, 768, 33},   {70, 512, 150}};

bool fits(tensor::DType dtype, const Shape& s) { return s.in % tensor::block_size(dtype) == 0; }

// The products promise the reference's bytes, so EXPECT_EQ on floats is the right comparison.
template <typename Run>
void expect_same_everywhere(const std::string& what, const Run& run) {
  std::vector<float> expected;
  on_every_isa([&](Isa isa) {
    for (const unsigned threads : {1u, 2u, 3u}) {
      ThreadPool pool(threads);
      const std::vector<float> got = run(pool);
      if (expected.empty()) expected = got;
      ASSERT_EQ(got.size(), expected.size());
      EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * 4), 0) << what << " on " << name(isa) << " with " << threads << " threads";
    }
  });
}

std::string describe(const Shape& s, tensor::DType dtype) {
  return std::to_string(s.rows) + "x" + std::to_string(s.in) + "x" + std::to_string(s.out) + " " + std::string(tensor::name(dtype));
}

TEST(Matmul, GivesTheReferenceBytesOnEveryIsaAndThreadCount) {
  for (const Shape& s : kShapes) {
    for (const tensor::DType dtype : tensor::kDTypes) {
      if (!fits(dtype, s)) continue;
      TestValues values(s.rows + s.in);
      const auto x = values.take(s.rows * s.in), bias = values.take(s.out), old = values.take(s.rows * (s.out + 3));
      const TestWeight weight(dtype, s.out, s.in, values.take(s.out * s.in));
      for (const Write write : {Write::set, Write::add}) {
        expect_same_everywhere(describe(s, dtype), [&](ThreadPool& pool) {
          auto y = old;
          matmul(pool, {x.data(), s.rows, s.in}, weight.view, write == Write::add ? bias.data() : nullptr, {y.data(), s.rows, s.out, s.out + 3},
                 write, write == Write::add ? 0.37f : 1.0f);
          return y;
        });
      }
    }
  }
}

TEST(Matmul, GradientOfInputGivesTheReferenceBytes) {
  for (const Shape& s : kShapes) {
    for (const tensor::DType dtype : tensor::kDTypes) {
      if (!fits(dtype, s)) continue;
      TestValues values(s.rows * 3 + s.in);
      const auto dy = values.take(s.rows * s.out), old = values.take(s.rows * s.in);
      const TestWeight weight(dtype, s.out, s.in, values.take(s.out * s.in));
      for (const Write write : {Write::set, Write::add}) {
        expect_same_everywhere(describe(s, dtype), [&](ThreadPool& pool) {
          auto dx = old;
          matmul_dx(pool, {dy.data(), s.rows, s.out}, weight.view, {dx.data(), s.rows, s.in}, write, 1.5f);
          return dx;
        });
      }
    }
  }
}

TEST(Matmul, GradientOfWeightGivesTheReferenceBytes) {
  for (const Shape& s : kShapes) {
    TestValues values(s.rows * 5 + s.in);
    const auto dy = values.take(s.rows * s.out), x = values.take(s.rows * s.in), old = values.take(s.out * s.in);
    expect_same_everywhere(describe(s, tensor::DType::f32), [&](ThreadPool& pool) {
      auto dw = old;
      matmul_dw(pool, {dy.data(), s.rows, s.out}, {x.data(), s.rows, s.in}, {dw.data(), s.out, s.in}, Write::add, 0.5f);
      return dw;
    });
  }
}

TEST(Matmul, RowDoesNotDependOnTheOthersInTheBatch) {
  constexpr size_t kRows = 70, kIn = 512, kOut = 150;
  TestValues values(9);
  const auto x = values.take(kRows * kIn);
  ThreadPool pool(2);
  for (const tensor::DType dtype : tensor::kDTypes) {
    const TestWeight weight(dtype, kOut, kIn, values.take(kOut * kIn));
    std::vector<float> together(kRows * kOut), alone(kOut);
    matmul(pool, {x.data(), kRows, kIn}, weight.view, nullptr, {together.data(), kRows, kOut});
    for (const size_t row : {size_t{0}, size_t{33}, kRows - 1}) {
      matmul(pool, {x.data() + row * kIn, 1, kIn}, weight.view, nullptr, {alone.data(), 1, kOut});
      EXPECT_EQ(std::memcmp(alone.data(), together.data() + row * kOut, kOut * 4), 0) << tensor::name(dtype) << " row " << row;
    }
  }
}

TEST(Matmul, AgreesWithDoublePrecision) {
  constexpr size_t kRows = 3, kIn = 1024, kOut = 5;
  TestValues values(4);
  const auto x = values.take(kRows * kIn), w = values.take(kOut * kIn);
  ThreadPool pool(1);
  std::vector<float> y(kRows * kOut);
  matmul(pool, {x.data(), kRows, kIn}, f32_view(w.data(), kOut, kIn), nullptr, {y.data(), kRows, kOut});
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t o = 0; o < kOut; ++o) {
      double exact = 0;
      for (size_t i = 0; i < kIn; ++i) exact += static_cast<double>(x[r * kIn + i]) * static_cast<double>(w[o * kIn + i]);
      EXPECT_NEAR(y[r * kOut + o], exact, 2e-5);
    }
  }
}

TEST(BiasGradient, SumsRows) {
  TestValues values(6);
  const auto dy = values.take(37 * 83);
  expect_same_everywhere("bias_gradient", [&](ThreadPool& pool) {
    std::vector<float> dbias(83, 0.25f);
    bias_gradient(pool, {dy.data(), 37, 83}, dbias.data());
    return dbias;
  });
}

}  // namespace
}  // namespace lyceum::kernels
