#include "engine/whisper_rules.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/languages.h"

namespace lyceum::engine {
namespace {

// Text 0-9, end 10, …, no speech 18, no timestamps 19, timestamps 20-29.
WhisperTokens tokens() {
  WhisperTokens out;
  out.end = 10;
  out.no_timestamps = 19;
  out.suppressed = {3};
  out.suppressed_first = {20, 10};
  out.latest_first = 2;
  out.length_max = 100;
  return out;
}

std::vector<int32_t> allowed(const std::vector<int32_t>& generated, float text = 5, float time = 0) {
  std::vector<float> scores(30, time);
  std::fill(scores.begin(), scores.begin() + 20, text);
  apply_whisper_rules(tokens(), true, generated, scores);
  std::vector<int32_t> out;
  for (int32_t i = 0; i < 30; ++i) {
    if (!std::isinf(scores[static_cast<size_t>(i)])) out.push_back(i);
  }
  return out;
}

TEST(WhisperRules, BeginWithAnEarlyTimestamp) { EXPECT_EQ(allowed({}), (std::vector<int32_t>{21, 22})); }

TEST(WhisperRules, TextFollowsAPairAndTimesNeverGoBack) {
  EXPECT_EQ(allowed({21}), (std::vector<int32_t>{0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}));
  EXPECT_EQ(allowed({21, 5, 24}), (std::vector<int32_t>{10, 11, 12, 13, 14, 15, 16, 17, 18, 24, 25, 26, 27, 28, 29}));
  EXPECT_EQ(allowed({21, 5}), (std::vector<int32_t>{0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 22, 23, 24, 25, 26, 27, 28, 29}));
}

TEST(WhisperRules, TimesThatAreLikelierTogetherWin) {
  EXPECT_EQ(allowed({21, 5}, 0, -1), (std::vector<int32_t>{22, 23, 24, 25, 26, 27, 28, 29}));   // log 8 - 1 > 0
}

TEST(WhisperRules, WithoutTimestampsOnlySuppression) {
  std::vector<float> scores(30, 0.0f);
  apply_whisper_rules(tokens(), false, std::vector<int32_t>{1}, scores);
  for (size_t i = 0; i < scores.size(); ++i) EXPECT_EQ(std::isinf(scores[i]), i == 3) << i;
}

TEST(WhisperRules, CutsAtPairs) {
  const CutWindow cut = cut_window(tokens(), std::vector<int32_t>{20, 1, 22, 22, 2, 3, 25, 25, 4}, 20);
  ASSERT_EQ(cut.segments.size(), 2u);
  EXPECT_EQ(cut.segments[0].end, 3u);
  EXPECT_DOUBLE_EQ(cut.segments[0].to, 0.04);
  EXPECT_EQ(cut.segments[1].begin, 3u);
  EXPECT_EQ(cut.segments[1].end, 8u);
  EXPECT_DOUBLE_EQ(cut.segments[1].from, 0.04);
  EXPECT_DOUBLE_EQ(cut.segments[1].to, 0.1);
  EXPECT_EQ(cut.frames, 10u);   // what follows the last pair is heard again
}

TEST(WhisperRules, ASingleTimestampAtTheEndTakesTheWindow) {
  const CutWindow cut = cut_window(tokens(), std::vector<int32_t>{20, 1, 22, 22, 2, 25}, 20);
  ASSERT_EQ(cut.segments.size(), 2u);
  EXPECT_EQ(cut.segments[1].end, 6u);
  EXPECT_DOUBLE_EQ(cut.segments[1].to, 0.1);
  EXPECT_EQ(cut.frames, 20u);
}

TEST(WhisperRules, WithoutPairsTheWindowIsOneSegment) {
  EXPECT_DOUBLE_EQ(cut_window(tokens(), std::vector<int32_t>{20, 1, 2, 24}, 20).segments[0].to, 0.08);
  EXPECT_DOUBLE_EQ(cut_window(tokens(), std::vector<int32_t>{20, 1, 2}, 20).segments[0].to, 0.2);
  const CutWindow nothing = cut_window(tokens(), {}, 21);
  EXPECT_EQ(nothing.segments.size(), 1u);
  EXPECT_EQ(nothing.frames, 21u);
}

TEST(Languages, AreFoundByCodeAndName) {
  ASSERT_NE(find_language("de"), nullptr);
  EXPECT_EQ(find_language("German"), find_language("DE"));
  EXPECT_EQ(find_language("elvish"), nullptr);
  EXPECT_EQ(languages().size(), 100u);
}

}  // namespace
}  // namespace lyceum::engine
