// What architectures beyond Llama's need: layer norms, routing to experts, capped scores and logits, rotation of neighbours.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernels/attention.h"
#include "kernels/elementwise.h"
#include "kernels/layer_norm.h"
#include "kernels/rope.h"
#include "kernels/routing.h"
#include "kernels/test_values.h"

namespace lyceum::kernels {
namespace {

TEST(LayerNorm, HasMeanBiasAndSpreadWeight) {
  constexpr size_t kRows = 3, kWidth = 37;
  TestValues values(1);
  const auto x = values.take(kRows * kWidth, 4.0f);
  std::vector<float> weight(kWidth, 2.0f), bias(kWidth, 0.5f), y(x.size());
  ThreadPool pool(2);
  layer_norm(pool, {x.data(), kRows, kWidth}, weight.data(), bias.data(), 1e-6f, {y.data(), kRows, kWidth});
  for (size_t row = 0; row < kRows; ++row) {
    double mean = 0, spread = 0;
    for (size_t i = 0; i < kWidth; ++i) mean += static_cast<double>(y[row * kWidth + i]) / kWidth;
    for (size_t i = 0; i < kWidth; ++i) spread += std::pow(static_cast<double>(y[row * kWidth + i]) - mean, 2) / kWidth;
    EXPECT_NEAR(mean, 0.5, 1e-6);
    EXPECT_NEAR(spread, 4.0, 1e-4);
  }
}

TEST(Route, TakesTheHighestScoresInAscendingOrder) {
  const float scores[] = {0.0f, 3.0f, 1.0f, 3.0f, -1.0f, 2.0f, 2.0f, 2.0f, 2.0f, 2.0f};
  int32_t experts[6];
  float weights[6];
  route({scores, 2, 5}, 3, true, experts, weights);
  EXPECT_EQ(std::vector<int32_t>(experts, experts + 6), (std::vector<int32_t>{1, 2, 3, 0, 1, 2}));   // of equals the first
  EXPECT_NEAR(weights[0], 1 / (2 + std::exp(-2.0)), 1e-6);
  EXPECT_NEAR(weights[3] + weights[4] + weights[5], 1, 1e-6);
  route({scores, 2, 5}, 3, false, experts, weights);
  EXPECT_NEAR(weights[3], 0.2, 1e-6);
}

TEST(Softcap, IsTheScaledHyperbolicTangent) {
  TestValues values(2);
  const auto x = values.take(1000, 200.0f);
  for (const float cap : {5.0f, 30.0f}) {
    auto y = x;
    ThreadPool pool(2);
    softcap(pool, y, cap);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(y[i], static_cast<double>(cap) * std::tanh(static_cast<double>(x[i]) / static_cast<double>(cap)), 4e-7 * static_cast<double>(cap));
  }
}

TEST(PartNeighbours, MovesEvenValuesToTheFirstHalfOfTheTurnedPart) {
  std::vector<float> x(12);
  std::iota(x.begin(), x.end(), 0.0f);
  ThreadPool pool(1);
  part_neighbours(pool, {x.data(), 1, 12}, 6, 2);   // two heads of six, of which four turn
  EXPECT_EQ(x, (std::vector<float>{0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11}));
}

// Against the formula in double, on every instruction set.
TEST(Attention, CapsScores) {
  constexpr size_t kTokens = 70, kDim = 8;
  constexpr double kCap = 1.5, kScale = 2.0;
  TestValues values(3);
  const auto q = values.take(kTokens * kDim, 2.0f), k = values.take(kTokens * kDim, 2.0f), v = values.take(kTokens * kDim);
  AttentionShape shape{1, 1, kDim, kScale, 0, kCap};
  const uint32_t documents[] = {0, kTokens};
  on_every_isa([&](Isa) {
    std::vector<float> out(kTokens * kDim);
    ThreadPool pool(2);
    attention(pool, shape, documents, {q.data(), kTokens, kDim}, {k.data(), kTokens, kDim}, {v.data(), kTokens, kDim}, {out.data(), kTokens, kDim}, nullptr);
    for (size_t row = 0; row < kTokens; ++row) {
      double total = 0, mixed = 0;
      for (size_t p = 0; p <= row; ++p) {
        double score = 0;
        for (size_t i = 0; i < kDim; ++i) score += static_cast<double>(q[row * kDim + i]) * static_cast<double>(k[p * kDim + i]);
        const double chance = std::exp(kCap * std::tanh(score * kScale / kCap));
        total += chance;
        mixed += chance * static_cast<double>(v[p * kDim]);
      }
      EXPECT_NEAR(out[row * kDim], mixed / total, 3e-6);
    }
  });
}

}  // namespace
}  // namespace lyceum::kernels
