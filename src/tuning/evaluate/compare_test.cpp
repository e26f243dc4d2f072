#include "tuning/evaluate/compare.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace lyceum::tuning {
namespace {

TEST(EditSimilarity, KnownDistances) {
  EXPECT_DOUBLE_EQ(edit_similarity("", ""), 1.0);
  EXPECT_DOUBLE_EQ(edit_similarity("abc", ""), 0.0);
  EXPECT_NEAR(edit_similarity("kitten", "sitting"), 1.0 - 3.0 / 7.0, 1e-12);
}

TEST(PairedBootstrap, IntervalHoldsTheDifferenceAndRepeats) {
  std::vector<Pair> pairs;
  Rng rng(4);
  for (int i = 0; i < 200; ++i) {
    const double base = rng.uniform();
    pairs.push_back({base, base + 0.1 + 0.02 * rng.normal(), 1});
  }
  const Figure figure = paired_bootstrap(pairs, 1);
  EXPECT_NEAR(figure.difference, 0.1, 0.01);
  EXPECT_LT(figure.low, figure.difference);
  EXPECT_GT(figure.high, figure.difference);
  EXPECT_GT(figure.low, 0.09);
  EXPECT_EQ(paired_bootstrap(pairs, 1).low, figure.low);
}

TEST(FimItems, PartsMakeTheFileAndMiddlesAreWholeLines) {
  CodeFile file{.path = "a.py", .text = {}, .sha256 = {}, .licence = {}};
  for (int i = 0; i < 40; ++i) file.text += "    value_" + std::to_string(i) + " = compute(" + std::to_string(i) + ")\n";
  const auto lines = make_fim_items({file}, 20, 1, 42);
  ASSERT_EQ(lines.size(), 20u);
  for (const FimItem& item : lines) {
    EXPECT_EQ(item.prefix + item.middle + item.suffix, file.text);
    EXPECT_EQ(item.middle.find('\n'), std::string::npos);
    EXPECT_EQ(item.suffix[0], '\n');
  }
  for (const FimItem& item : make_fim_items({file}, 20, 5, 42)) EXPECT_NE(item.middle.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace lyceum::tuning
