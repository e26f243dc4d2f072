#include "kernels/low_rank_norms.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/matmul.h"
#include "kernels/test_values.h"

namespace lyceum::kernels {
namespace {

TEST(LowRankNorms, AgreeWithTheProductInDoubleAndForAnyThreads) {
  constexpr size_t kOut = 131, kIn = 77, kRank = 5;
  constexpr float kScale = 1.75f;
  TestValues values(11);
  const auto weight = values.take(kOut * kIn, 1.0f), a = values.take(kRank * kIn, 0.3f), b = values.take(kOut * kRank, 0.3f);
  std::vector<std::vector<float>> results;
  for (const unsigned threads : {1u, 3u}) {
    ThreadPool pool(threads);
    const tensor::WeightView view = f32_view(weight.data(), kOut, kIn);
    std::vector<float> norms(kOut);
    low_rank_row_norms(pool, view, row_square_norms(pool, view), {a.data(), kRank, kIn}, {b.data(), kOut, kRank}, kScale, norms);
    results.push_back(norms);
  }
  EXPECT_EQ(results[0], results[1]);
  for (size_t row = 0; row < kOut; ++row) {
    double sum = 0;
    for (size_t c = 0; c < kIn; ++c) {
      double value = weight[row * kIn + c];
      for (size_t k = 0; k < kRank; ++k) value += double{kScale} * double{b[row * kRank + k]} * double{a[k * kIn + c]};
      sum += value * value;
    }
    EXPECT_NEAR(results[0][row] / std::sqrt(sum), 1.0, 1e-6) << row;
  }
}

}  // namespace
}  // namespace lyceum::kernels
