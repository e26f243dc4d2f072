// What architectures beyond Llama's need: layer norms, routing to experts, capped scores and logits, rotation of neighbours.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernels/attention.h"
#include "kernels/elementwise.h"
#include "kernels/grouped.h"
#include "kernels/integer.h"
#include "kernels/layer_norm.h"
#include "kernels/matmul.h"
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
  route({scores, 2, 5}, {.chosen = 3, .normalise = true}, experts, weights);
  EXPECT_EQ(std::vector<int32_t>(experts, experts + 6), (std::vector<int32_t>{1, 2, 3, 0, 1, 2}));   // of equals the first
  EXPECT_NEAR(weights[0], 1 / (2 + std::exp(-2.0)), 1e-6);
  EXPECT_NEAR(weights[3] + weights[4] + weights[5], 1, 1e-6);
  route({scores, 2, 5}, {.chosen = 3, .normalise = false}, experts, weights);
  EXPECT_NEAR(weights[3], 0.2, 1e-6);
}

TEST(Route, ChoosesOnlyFromTheBestGroups) {
  // Three groups of two. By best expert: 1 (expert 2), then 2; by the two best together: 0, then 2.
  const float scores[] = {1.0f, 0.9f, 1.5f, -9.0f, 1.4f, 0.2f};
  int32_t experts[3];
  float weights[3];
  route({scores, 1, 6}, {.chosen = 3, .normalise = false, .groups = 3, .groups_chosen = 2, .scale = 2.0f}, experts, weights);
  EXPECT_EQ(std::vector<int32_t>(experts, experts + 3), (std::vector<int32_t>{2, 4, 5}));
  double total = 0;
  for (const float score : scores) total += std::exp(static_cast<double>(score));
  EXPECT_NEAR(weights[0], 2 * std::exp(1.5) / total, 1e-6);
  route({scores, 1, 6}, {.chosen = 3, .sigmoid = true, .groups = 3, .groups_chosen = 2}, experts, weights);
  EXPECT_EQ(std::vector<int32_t>(experts, experts + 3), (std::vector<int32_t>{0, 1, 4}));
  EXPECT_NEAR(weights[0] + weights[1] + weights[2], 1, 1e-6);
}

TEST(Route, BiasDecidesWhoIsChosenButNotTheWeight) {
  const float scores[] = {2.0f, 1.0f, 0.0f}, bias[] = {-1.0f, 0.0f, 0.0f};
  int32_t experts[2];
  float weights[2];
  route({scores, 1, 3}, {.chosen = 2, .normalise = false, .sigmoid = true, .bias = bias}, experts, weights);
  EXPECT_EQ(std::vector<int32_t>(experts, experts + 2), (std::vector<int32_t>{1, 2}));
  EXPECT_NEAR(weights[0], 1 / (1 + std::exp(-1.0)), 1e-6);
  EXPECT_NEAR(weights[1], 0.5, 1e-6);
}

TEST(MixRows, AddsTheChosenInOrder) {
  const float x[] = {1, 2, 10, 20, 100, 200};
  const int32_t places[] = {2, 0, 1, 1};
  const float weights[] = {0.5f, 1.0f, 2.0f, 3.0f};
  float y[4];
  ThreadPool pool(2);
  mix_rows(pool, {x, 3, 2}, places, weights, 2, {y, 2, 2});
  EXPECT_EQ(std::vector<float>(y, y + 4), (std::vector<float>{51, 102, 50, 100}));
}

// Groups of rows of very different sizes, each with a matrix of its own: the bytes of each alone.
struct Groups {
  static constexpr size_t kIn = 256, kOut = 72;
  std::vector<size_t> ends{1, 34, 36, 110};
  std::vector<float> x;
  std::vector<TestWeight> weights;
  explicit Groups(tensor::DType dtype) {
    TestValues values(17);
    x = values.take(ends.back() * kIn);
    for (size_t i = 0; i < ends.size(); ++i) weights.emplace_back(dtype, kOut, kIn, values.take(kOut * kIn));
  }
  ConstRows rows(size_t group) const {
    const size_t begin = group == 0 ? 0 : ends[group - 1];
    return {x.data() + begin * kIn, ends[group] - begin, kIn};
  }
};

TEST(Grouped, ProductsAreThoseAlone) {
  ThreadPool pool(3);
  for (const tensor::DType dtype : {tensor::DType::bf16, tensor::DType::q8_0, tensor::DType::q4_k}) {
    const Groups groups(dtype);
    std::vector<float> together(110 * Groups::kOut), alone(together), back(110 * Groups::kIn), back_alone(back);
    std::vector<GroupedProduct> products, inverse;
    size_t row = 0;
    for (size_t i = 0; i < groups.ends.size(); ++i) {
      const ConstRows x = groups.rows(i);
      const Rows y(together.data() + row * Groups::kOut, x.rows, Groups::kOut), y_alone(alone.data() + row * Groups::kOut, x.rows, Groups::kOut);
      products.push_back({x, groups.weights[i].view, y});
      matmul(pool, x, groups.weights[i].view, nullptr, y_alone);
      const ConstRows narrow(x.data, x.rows, Groups::kOut, Groups::kIn);
      inverse.push_back({narrow, groups.weights[i].view, {back.data() + row * Groups::kIn, x.rows, Groups::kIn}, false});
      matmul_dx(pool, narrow, groups.weights[i].view, {back_alone.data() + row * Groups::kIn, x.rows, Groups::kIn});
      row += x.rows;
    }
    matmul_grouped(pool, products);
    matmul_grouped(pool, inverse);
    EXPECT_EQ(std::memcmp(together.data(), alone.data(), alone.size() * 4), 0) << tensor::name(dtype);
    EXPECT_EQ(std::memcmp(back.data(), back_alone.data(), back.size() * 4), 0) << tensor::name(dtype);
  }
}

TEST(Integer, GroupsOfRowsGiveTheBytesOfEachAlone) {
  const Groups groups(tensor::DType::q4_k);
  ThreadPool pool(3);
  on_every_isa([&](Isa isa) {
    std::vector<float> together(110 * Groups::kOut), gathered(together), alone(together);
    ActivationBlocks all, rows, source, single;
    std::vector<int32_t> order(110);
    std::iota(order.begin(), order.end(), 0);
    all.set_groups(pool, {groups.x.data(), 110, Groups::kIn}, groups.ends);
    source.set(pool, {groups.x.data(), 110, Groups::kIn});
    rows.gather(pool, source, order, groups.ends);
    std::vector<IntegerProduct> from_all, from_rows;
    size_t row = 0;
    for (size_t i = 0; i < groups.ends.size(); ++i) {
      const ConstRows x = groups.rows(i);
      const auto part = [&](std::vector<float>& out) { return Rows(out.data() + row * Groups::kOut, x.rows, Groups::kOut); };
      from_all.push_back({groups.weights[i].view, nullptr, part(together), Write::set, 1.0f, i});
      from_rows.push_back({groups.weights[i].view, nullptr, part(gathered), Write::set, 1.0f, i});
      single.set(pool, x);
      const IntegerProduct product{groups.weights[i].view, nullptr, part(alone)};
      matmul_integer(pool, single, {&product, 1});
      row += x.rows;
    }
    matmul_integer(pool, all, from_all);
    matmul_integer(pool, rows, from_rows);
    EXPECT_EQ(std::memcmp(together.data(), alone.data(), alone.size() * 4), 0) << name(isa);
    EXPECT_EQ(std::memcmp(gathered.data(), alone.data(), alone.size() * 4), 0) << name(isa);
  });
}

// Latent attention: 576 numbers a key, of which the first 512 are the value; through a cache without values as for a document.
TEST(Attention, TakesTheBeginningOfAKeyForItsValue) {
  constexpr size_t kTokens = 70, kHeads = 5, kKey = 576, kValue = 512;
  TestValues values(23);
  const auto q = values.take(kTokens * kHeads * kKey, 0.3f), k = values.take(kTokens * kKey);
  const AttentionShape shape{kHeads, 1, kKey, 0.1f, 0, 0.0f, kValue};
  const uint32_t documents[] = {0, kTokens};
  std::vector<std::byte> memory(3 * 32 * kKey * sizeof(float));
  std::byte* const blocks[] = {memory.data(), memory.data() + 32 * kKey * sizeof(float), memory.data() + 64 * kKey * sizeof(float)};
  const KvCache cache{tensor::DType::f32, 32, blocks, nullptr};
  kv_append(cache, 0, {k.data(), kTokens, kKey}, {k.data(), kTokens, kKey});
  expect_agreement("latent attention", 3e-6f, [&](ThreadPool& pool) {
    const ConstRows queries(q.data(), kTokens, kHeads * kKey);
    std::vector<float> whole(kTokens * kHeads * kValue), cached(whole);
    attention(pool, shape, documents, queries, {k.data(), kTokens, kKey}, {k.data(), kTokens, kValue, kKey}, {whole.data(), kTokens, kHeads * kValue}, nullptr);
    const CachedQuery parts[] = {{0, 68, 0, cache}, {68, 1, 68, cache}, {69, 1, 69, cache}};
    attention_cached(pool, shape, parts, queries, {cached.data(), kTokens, kHeads * kValue});
    EXPECT_EQ(std::memcmp(whole.data(), cached.data(), whole.size() * 4), 0) << name(current_isa());
    return whole;
  });
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
