// Norms, rotations, elementwise ops, embedding. Tolerance against the reference: 2e-6 of max(1, |value|), for sums taken in another order.
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/test_values.h"

namespace lyceum::kernels {
namespace {

constexpr float kTolerance = 2e-6f;
constexpr size_t kColumns[] = {1, 7, 16, 31, 64, 100, 257, 1024};

tensor::WeightView floats(const std::vector<float>& values) {
  return {reinterpret_cast<const std::byte*>(values.data()), tensor::DType::f32, 1, values.size()};
}

TEST(RmsNorm, AgreesWithTheReference) {
  for (const size_t columns : kColumns) {
    for (const tensor::DType dtype : {tensor::DType::f32, tensor::DType::f16, tensor::DType::bf16}) {
      TestValues values(columns);
      const size_t rows = 45;
      const auto x = values.take(rows * columns, 3.0f);
      const TestWeight weight(dtype, 1, columns, values.take(columns));
      expect_agreement("rms_norm", kTolerance, [&](ThreadPool& pool) {
        std::vector<float> out(rows * columns + rows);
        rms_norm(pool, {x.data(), rows, columns}, weight.view, 1e-5f, {out.data(), rows, columns}, out.data() + rows * columns);
        return out;
      });
    }
  }
}

// sum(dy * rms_norm(x, w)) in double; values = x then w.
double norm_loss(const std::vector<double>& values, const std::vector<float>& dy, size_t rows, size_t columns) {
  double loss = 0;
  const double* weight = values.data() + rows * columns;
  for (size_t r = 0; r < rows; ++r) {
    double squares = 0;
    for (size_t c = 0; c < columns; ++c) squares += values[r * columns + c] * values[r * columns + c];
    const double root = 1 / std::sqrt(squares / static_cast<double>(columns) + 1e-5);
    for (size_t c = 0; c < columns; ++c) loss += static_cast<double>(dy[r * columns + c]) * values[r * columns + c] * root * weight[c];
  }
  return loss;
}

TEST(RmsNorm, BackwardIsTheSlope) {
  constexpr size_t kRows = 3, kWidth = 37;
  TestValues values(5);
  const auto x = values.take(kRows * kWidth), weight = values.take(kWidth), dy = values.take(kRows * kWidth);
  auto all = widen(x);
  for (const float w : weight) all.push_back(static_cast<double>(w));
  std::vector<float> expected;
  for (size_t i = 0; i < all.size(); ++i) {
    expected.push_back(static_cast<float>(slope([&](const std::vector<double>& at) { return norm_loss(at, dy, kRows, kWidth); }, all, i)));
  }
  expect_agreement("rms_norm_backward", kTolerance * 5, [&](ThreadPool& pool) {
    std::vector<float> y(kRows * kWidth), rstd(kRows), gradients(all.size());
    rms_norm(pool, {x.data(), kRows, kWidth}, floats(weight), 1e-5f, {y.data(), kRows, kWidth}, rstd.data());
    rms_norm_backward(pool, {x.data(), kRows, kWidth}, floats(weight), rstd.data(), {dy.data(), kRows, kWidth}, {gradients.data(), kRows, kWidth},
                      gradients.data() + kRows * kWidth);
    for (size_t i = 0; i < all.size(); ++i) EXPECT_NEAR(gradients[i], expected[i], 2e-5) << i;
    return gradients;
  });
}

TEST(RmsNorm, BackwardInPlaceAndAdding) {
  constexpr size_t kRows = 33, kWidth = 300;
  TestValues values(6);
  const auto x = values.take(kRows * kWidth), weight = values.take(kWidth), dy = values.take(kRows * kWidth), old = values.take(kRows * kWidth);
  ThreadPool pool(2);
  std::vector<float> y(kRows * kWidth), rstd(kRows), set(kRows * kWidth), in_place = dy, added = old, dw1(kWidth), dw2(kWidth);
  rms_norm(pool, {x.data(), kRows, kWidth}, floats(weight), 1e-5f, {y.data(), kRows, kWidth}, rstd.data());
  const ConstRows in{x.data(), kRows, kWidth};
  rms_norm_backward(pool, in, floats(weight), rstd.data(), {dy.data(), kRows, kWidth}, {set.data(), kRows, kWidth}, dw1.data());
  rms_norm_backward(pool, in, floats(weight), rstd.data(), {in_place.data(), kRows, kWidth}, {in_place.data(), kRows, kWidth}, dw2.data());
  rms_norm_backward(pool, in, floats(weight), rstd.data(), {dy.data(), kRows, kWidth}, {added.data(), kRows, kWidth}, nullptr, Write::add);
  EXPECT_EQ(set, in_place);
  EXPECT_EQ(dw1, dw2);
  for (size_t i = 0; i < set.size(); ++i) EXPECT_EQ(added[i], old[i] + set[i]);
}

TEST(Rope, AgreesWithTheReferenceAndTurnsBack) {
  for (const size_t half : {1u, 4u, 16u, 24u, 32u, 64u}) {
    TestValues values(half);
    std::vector<float> frequencies(half);
    for (size_t i = 0; i < half; ++i) frequencies[i] = std::pow(10000.0f, -static_cast<float>(i) / static_cast<float>(half));
    const RopeTable rope_table = make_rope_table(frequencies, 300);
    const size_t head_dim = 2 * half + 2, columns = 3 * head_dim, rows = 80;
    std::vector<int32_t> positions(rows);
    for (size_t r = 0; r < rows; ++r) positions[r] = static_cast<int32_t>((r * 37) % 300);
    const auto x = values.take(rows * columns);
    expect_agreement("rope", kTolerance, [&](ThreadPool& pool) {
      auto turned = x;
      rope(pool, {turned.data(), rows, columns}, head_dim, rope_table, positions);
      auto back = turned;
      rope(pool, {back.data(), rows, columns}, head_dim, rope_table, positions, Turn::inverse);
      for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(back[i], x[i], 1e-6);
      return turned;
    });
  }
}

TEST(Rope, TurnsTheHalvesOfAHead) {
  const RopeTable rope_table = make_rope_table(std::vector<float>{1.0f, 0.5f}, 8, 2.0f);
  std::vector<float> x = {1, 2, 3, 4};
  const std::vector<int32_t> positions = {3};
  ThreadPool pool(1);
  rope(pool, {x.data(), 1, 4}, 4, rope_table, positions);
  EXPECT_NEAR(x[0], 2 * (std::cos(3.0) - 3 * std::sin(3.0)), 1e-6);
  EXPECT_NEAR(x[1], 2 * (2 * std::cos(1.5) - 4 * std::sin(1.5)), 1e-6);
  EXPECT_NEAR(x[2], 2 * (3 * std::cos(3.0) + std::sin(3.0)), 1e-6);
  EXPECT_NEAR(x[3], 2 * (4 * std::cos(1.5) + 2 * std::sin(1.5)), 1e-6);
}

TEST(Exp, StaysWithinTwoUlpAndGivesTheSameBytesEverywhere) {
  std::vector<float> x;
  for (float v = -88.0f; v < 89.0f; v += 0.0137f) x.push_back(v);
  for (const float v : {0.0f, -0.0f, 1e-30f, -1e-30f, 1e30f, -1e30f, -INFINITY, INFINITY, 88.72283f, -87.33654f}) x.push_back(v);
  expect_agreement("exp", 0.0f, [&](ThreadPool&) {
    std::vector<float> y(x.size());
    exp(x, y);
    for (size_t i = 0; i < x.size(); ++i) {
      const double exact = std::exp(static_cast<double>(x[i]));
      if (x[i] < -87.33f) {
        EXPECT_LE(y[i], 1.2e-38f);
      } else if (x[i] > 88.72f) {
        EXPECT_GE(y[i], 3.3e38f);
      } else {
        const float rounded = static_cast<float>(exact);
        EXPECT_LE(std::fabs(static_cast<double>(y[i]) - exact), 2.0 * static_cast<double>(std::nextafter(rounded, INFINITY) - rounded)) << x[i];
      }
    }
    return y;
  });
  const std::vector<float> nan = {NAN};
  on_every_isa([&](Isa isa) {
    std::vector<float> y(1);
    exp(nan, y);
    EXPECT_TRUE(std::isnan(y[0])) << name(isa);
  });
}

TEST(SiluMul, AgreesWithTheReferenceAndItsSlope) {
  constexpr size_t kRows = 29, kWidth = 213;
  TestValues values(8);
  const auto gate = values.take(kRows * kWidth, 8.0f), up = values.take(kRows * kWidth), dout = values.take(kRows * kWidth);
  const ConstRows g{gate.data(), kRows, kWidth}, u{up.data(), kRows, kWidth}, d{dout.data(), kRows, kWidth};
  expect_agreement("silu_mul", 0.0f, [&](ThreadPool& pool) {
    std::vector<float> out(3 * kRows * kWidth);
    float* dgate = out.data() + kRows * kWidth;
    float* dup = dgate + kRows * kWidth;
    silu_mul(pool, g, u, {out.data(), kRows, kWidth});
    silu_mul_backward(pool, g, u, d, {dgate, kRows, kWidth}, {dup, kRows, kWidth});
    for (size_t i = 0; i < kRows * kWidth; i += 11) {
      const auto f = [&](const std::vector<double>& at) { return static_cast<double>(dout[i]) * at[0] / (1 + std::exp(-at[0])) * at[1]; };
      const std::vector<double> at = {static_cast<double>(gate[i]), static_cast<double>(up[i])};
      EXPECT_NEAR(dgate[i], slope(f, at, 0), 3e-6);
      EXPECT_NEAR(dup[i], slope(f, at, 1), 3e-6);
    }
    return out;
  });
}

TEST(GeluMul, AgreesWithTheReferenceAndTheDefinition) {
  constexpr size_t kRows = 17, kWidth = 101;
  TestValues values(12);
  const auto gate = values.take(kRows * kWidth, 9.0f), up = values.take(kRows * kWidth);
  expect_agreement("gelu_mul", 0.0f, [&](ThreadPool& pool) {
    std::vector<float> out(kRows * kWidth);
    gelu_mul(pool, {gate.data(), kRows, kWidth}, {up.data(), kRows, kWidth}, {out.data(), kRows, kWidth});
    for (size_t i = 0; i < out.size(); ++i) {
      const double z = gate[i];
      const double gelu = 0.5 * z * (1 + std::tanh(0.7978845608028654 * (z + 0.044715 * z * z * z)));
      EXPECT_NEAR(out[i], gelu * static_cast<double>(up[i]), 2e-6);
    }
    return out;
  });
}

TEST(Softmax, AgreesWithTheReferenceAndSumsToOne) {
  for (const size_t columns : kColumns) {
    TestValues values(columns + 1);
    const auto x = values.take(21 * columns, 30.0f);
    expect_agreement("softmax", kTolerance, [&](ThreadPool& pool) {
      auto y = x;
      softmax(pool, {y.data(), 21, columns}, 0.7f);
      for (size_t r = 0; r < 21; ++r) {
        double total = 0;
        for (size_t c = 0; c < columns; ++c) total += static_cast<double>(y[r * columns + c]);
        EXPECT_NEAR(total, 1.0, 1e-5);
      }
      return y;
    });
  }
}

TEST(Elementwise, AddsScalesAndBiases) {
  for (const size_t columns : kColumns) {
    TestValues values(columns + 2);
    const auto x = values.take(9 * columns), y0 = values.take(9 * columns), bias = values.take(columns);
    expect_agreement("add", 0.0f, [&](ThreadPool& pool) {
      auto y = y0;
      add(pool, {x.data(), 9, columns}, {y.data(), 9, columns}, 0.3f);
      add_bias(pool, bias.data(), {y.data(), 9, columns});
      scale(pool, y, 1.7f);
      return y;
    });
  }
}

TEST(Embedding, GathersRowsAndScattersGradients) {
  constexpr size_t kVocab = 50, kWidth = 256;
  const std::vector<int32_t> ids = {3, 49, 3, 0, 7, 3, 49};
  TestValues values(11);
  const auto table_values = values.take(kVocab * kWidth), dout = values.take(ids.size() * kWidth);
  for (const tensor::DType dtype : tensor::kDTypes) {
    const TestWeight weights(dtype, kVocab, kWidth, table_values);
    expect_agreement("embed", 0.0f, [&](ThreadPool& pool) {
      std::vector<float> out(ids.size() * kWidth);
      embed(pool, weights.view, ids, {out.data(), ids.size(), kWidth});
      return out;
    });
  }
  expect_agreement("embed_backward", 0.0f, [&](ThreadPool& pool) {
    std::vector<float> gradient(kVocab * kWidth);
    embed_backward(pool, ids, {dout.data(), ids.size(), kWidth}, {gradient.data(), kVocab, kWidth});
    EXPECT_EQ(gradient[49 * kWidth + 5], dout[1 * kWidth + 5] + dout[6 * kWidth + 5]);
    EXPECT_EQ(gradient[1 * kWidth], 0.0f);
    return gradient;
  });
}

}  // namespace
}  // namespace lyceum::kernels
