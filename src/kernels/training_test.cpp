// Cross entropy, AdamW, the gradient norm, and dtype conversion.
#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "kernels/convert.h"
#include "kernels/cross_entropy.h"
#include "kernels/optimizer.h"
#include "kernels/test_values.h"

namespace lyceum::kernels {
namespace {

double loss_of(const std::vector<double>& logits, size_t row, size_t columns, int32_t label) {
  double total = 0;
  for (size_t c = 0; c < columns; ++c) total += std::exp(logits[row * columns + c]);
  return std::log(total) - logits[row * columns + static_cast<size_t>(label)];
}

TEST(CrossEntropy, GivesLossAndSlopeAndSkipsIgnoredRows) {
  constexpr size_t kRows = 20, kVocab = 77;
  TestValues values(3);
  const auto logits = values.take(kRows * kVocab, 6.0f);
  std::vector<int32_t> labels(kRows);
  for (size_t r = 0; r < kRows; ++r) labels[r] = r % 4 == 3 ? kIgnoredLabel : static_cast<int32_t>((r * 31) % kVocab);
  expect_agreement("cross_entropy", 2e-6f, [&](ThreadPool& pool) {
    std::vector<float> out = logits, losses(kRows), forward_only(kRows);
    cross_entropy(pool, {logits.data(), kRows, kVocab}, labels, forward_only.data());
    cross_entropy_backward(pool, {out.data(), kRows, kVocab}, labels, 0.25f, losses.data());
    EXPECT_EQ(losses, forward_only);
    for (size_t r = 0; r < kRows; ++r) {
      if (labels[r] == kIgnoredLabel) {
        EXPECT_EQ(losses[r], 0.0f);
        EXPECT_EQ(out[r * kVocab + 1], 0.0f);
        continue;
      }
      const auto f = [&](const std::vector<double>& at) { return loss_of(at, r, kVocab, labels[r]); };
      EXPECT_NEAR(losses[r], f(widen(logits)), 2e-6);
      for (const size_t c : {size_t{0}, static_cast<size_t>(labels[r]), kVocab - 1}) {
        EXPECT_NEAR(out[r * kVocab + c], 0.25 * slope(f, widen(logits), r * kVocab + c), 1e-6);
      }
    }
    out.insert(out.end(), losses.begin(), losses.end());
    return out;
  });
}

TEST(CrossEntropy, SurvivesLargeLogits) {
  std::vector<float> logits = {1000.0f, 0.0f, -1000.0f};
  const std::vector<int32_t> labels = {2};
  float loss = 0;
  ThreadPool pool(1);
  cross_entropy_backward(pool, {logits.data(), 1, 3}, labels, 1.0f, &loss);
  EXPECT_EQ(loss, 2000.0f);
  EXPECT_EQ(logits, (std::vector<float>{1.0f, 0.0f, -1.0f}));
}

TEST(AdamW, FollowsTheFormulaInDouble) {
  constexpr size_t kCount = 1003;
  TestValues values(4);
  const auto start = values.take(kCount);
  std::vector<std::vector<float>> gradients;
  for (int step = 0; step < 5; ++step) gradients.push_back(values.take(kCount, 0.1f));
  AdamW options;
  options.learning_rate = 1e-2;
  options.weight_decay = 0.1;
  options.gradient_scale = 0.5f;
  std::vector<double> w(start.begin(), start.end()), m(kCount), v(kCount);
  for (int step = 0; step < 5; ++step) {
    for (size_t i = 0; i < kCount; ++i) {
      const double g = static_cast<double>(gradients[static_cast<size_t>(step)][i]) * 0.5;
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      w[i] -= 1e-2 * 0.1 * w[i] + 1e-2 * (m[i] / (1 - std::pow(0.9, step + 1))) / (std::sqrt(v[i] / (1 - std::pow(0.999, step + 1))) + 1e-8);
    }
  }
  expect_agreement("adamw", 1e-6f, [&](ThreadPool& pool) {
    std::vector<float> weights = start, first(kCount), second(kCount);
    for (uint64_t step = 1; step <= 5; ++step) {
      options.step = step;
      adamw(pool, options, weights, gradients[step - 1], first, second);
    }
    for (size_t i = 0; i < kCount; ++i) EXPECT_NEAR(weights[i], w[i], 2e-6);
    return weights;
  });
}

TEST(GlobalNorm, SumsAllTensorsInAFixedOrder) {
  TestValues values(5);
  const auto a = values.take(200'001), b = values.take(3), c = std::vector<float>{};
  const std::span<const float> tensors[] = {a, b, c};
  double exact = 0;
  for (const float x : a) exact += static_cast<double>(x) * static_cast<double>(x);
  for (const float x : b) exact += static_cast<double>(x) * static_cast<double>(x);
  on_every_isa([&](Isa isa) {
    ThreadPool one(1), three(3);
    const double norm = global_norm(one, tensors);
    EXPECT_NEAR(norm, std::sqrt(exact), 1e-9) << name(isa);
    EXPECT_EQ(norm, global_norm(three, tensors)) << name(isa);
  });
}

TEST(Convert, HalvesRoundTripEveryValue) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float f16 = f16_to_f32(half), bf16 = bf16_to_f32(half);
    EXPECT_TRUE(std::isnan(f16) || f32_to_f16(f16) == half) << bits;
    EXPECT_TRUE(std::isnan(bf16) || f32_to_bf16(bf16) == half) << bits;
    EXPECT_EQ(std::isnan(f16), std::isnan(f16_to_f32(f32_to_f16(f16))));
  }
}

TEST(Convert, RoundsToNearestEvenLikeTheHardware) {
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808000u)), 0x3f80);   // a tie goes to the even neighbour
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f818000u)), 0x3f82);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(0x1p-25f), 0x0000);
  EXPECT_EQ(f32_to_f16(0x1.8p-24f), 0x0002);
  std::vector<float> values = {0.0f, -0.0f, 1e-8f, 6e-8f, 6.1e-5f, 65504.0f, 65520.0f, 1e30f, -INFINITY, INFINITY, 3.3895e38f, 1e-40f};
  TestValues random(6);
  for (int i = 0; i < 20000; ++i) values.push_back(std::ldexp(random.next(), static_cast<int>(random.next() * 45)));
  for (const tensor::DType dtype : {tensor::DType::f16, tensor::DType::bf16}) {
    expect_agreement("convert", 0.0f, [&](ThreadPool&) {
      std::vector<std::byte> stored(values.size() * 2);
      std::vector<float> back(values.size());
      quantize(dtype, values.data(), values.size(), stored.data());
      dequantize(dtype, stored.data(), values.size(), back.data());
      return back;
    });
  }
}

TEST(Convert, BlocksStayNearTheValues) {
  TestValues random(7);
  const auto values = random.take(320);
  for (const auto& [dtype, limit] : {std::pair{tensor::DType::q8_0, 0.005f}, std::pair{tensor::DType::q4_0, 0.13f}}) {
    expect_agreement("blocks", 0.0f, [&](ThreadPool&) {
      std::vector<std::byte> stored(tensor::row_bytes(dtype, values.size()));
      std::vector<float> back(values.size());
      quantize(dtype, values.data(), values.size(), stored.data());
      dequantize(dtype, stored.data(), values.size(), back.data());
      for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(back[i], values[i], limit);
      return back;
    });
  }
}

}  // namespace
}  // namespace lyceum::kernels
