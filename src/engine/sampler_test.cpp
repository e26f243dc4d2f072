#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "engine/stop_matcher.h"

namespace lyceum::engine {
namespace {

Sampling greedy() {
  Sampling sampling;
  sampling.temperature = 0;
  return sampling;
}

GeneratedToken sample_once(const Sampling& sampling, std::vector<float> logits, std::span<const int32_t> prompt = {}) {
  return Sampler(sampling, prompt).sample(logits);
}

// How often each of the ids comes in 2000 draws.
std::vector<int> histogram(const Sampling& sampling, const std::vector<float>& logits) {
  std::vector<int> counts(logits.size());
  Sampler sampler(sampling, {});
  for (int i = 0; i < 2000; ++i) {
    std::vector<float> copy = logits;
    ++counts[static_cast<size_t>(sampler.sample(copy).id)];
  }
  return counts;
}

TEST(Sampler, GreedyTakesTheFirstOfEquals) { EXPECT_EQ(sample_once(greedy(), {0, 3, 3, 1}).id, 1); }

TEST(Sampler, SameSeedDrawsTheSameTokens) {
  Sampling sampling;
  sampling.seed = 42;
  const std::vector<float> logits = {1, 2, 3, 2.5f, 0};
  Sampler a(sampling, {}), b(sampling, {});
  for (int i = 0; i < 100; ++i) {
    std::vector<float> first = logits, second = logits;
    EXPECT_EQ(a.sample(first).id, b.sample(second).id);
  }
}

TEST(Sampler, DrawsInProportion) {
  Sampling sampling;
  const std::vector<int> counts = histogram(sampling, {std::log(1.0f), std::log(3.0f)});
  EXPECT_NEAR(counts[1], 1500, 80);
}

TEST(Sampler, TopKKeepsTheBest) {
  Sampling sampling;
  sampling.top_k = 2;
  const auto counts = histogram(sampling, {1, 3, 2, 2.9f});
  EXPECT_EQ(counts[0] + counts[2], 0);
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
  Sampling sampling;
  sampling.top_p = 0.6f;
  const auto counts = histogram(sampling, {std::log(0.5f), std::log(0.3f), std::log(0.2f)});
  EXPECT_GT(counts[1], 0);
  EXPECT_EQ(counts[2], 0);
}

TEST(Sampler, MinPComparesWithTheBest) {
  Sampling sampling;
  sampling.min_p = 0.5f;
  const auto counts = histogram(sampling, {std::log(0.5f), std::log(0.3f), std::log(0.2f)});
  EXPECT_GT(counts[1], 0);
  EXPECT_EQ(counts[2], 0);
}

TEST(Sampler, TemperatureSharpens) {
  Sampling sampling;
  sampling.temperature = 0.1f;
  EXPECT_GT(histogram(sampling, {1, 2})[1], 1990);
}

TEST(Sampler, RepetitionPenaltyDividesPositiveAndMultipliesNegativeLogits) {
  Sampling sampling = greedy();
  sampling.repetition_penalty = 2;
  const std::array<int32_t, 2> prompt = {1, 2};
  std::vector<float> logits = {1.4f, 2, -1, -1.5f};
  Sampler sampler(sampling, prompt);
  EXPECT_EQ(sampler.sample(logits).id, 0);
  EXPECT_EQ(logits[1], 1.0f);
  EXPECT_EQ(logits[2], -2.0f);
}

TEST(Sampler, FrequencyAndPresencePenaltiesCountTheOutputOnly) {
  Sampling sampling = greedy();
  sampling.presence_penalty = 0.5f;
  sampling.frequency_penalty = 0.25f;
  const std::array<int32_t, 1> prompt = {0};
  Sampler sampler(sampling, prompt);
  sampler.accept(1);
  sampler.accept(1);
  std::vector<float> logits = {1, 1, 1};
  EXPECT_EQ(sampler.sample(logits).id, 0);
  EXPECT_EQ(logits[0], 1.0f);
  EXPECT_EQ(logits[1], 0.0f);
}

TEST(Sampler, LogitBiasForcesAndForbids) {
  Sampling sampling = greedy();
  sampling.logit_bias = {{0, -100.0f}, {2, 5.0f}};
  EXPECT_EQ(sample_once(sampling, {9, 3, 2}).id, 2);
}

TEST(Sampler, ReportsTheModelsOwnProbabilities) {
  Sampling sampling = greedy();
  sampling.top_logprobs = 2;
  sampling.logit_bias = {{0, 100.0f}};
  const GeneratedToken token = sample_once(sampling, {std::log(0.2f), std::log(0.7f), std::log(0.1f)});
  EXPECT_EQ(token.id, 0);
  EXPECT_NEAR(token.logprob, std::log(0.2f), 1e-6);
  ASSERT_EQ(token.top.size(), 2u);
  EXPECT_EQ(token.top[0].id, 1);
  EXPECT_NEAR(token.top[0].logprob, std::log(0.7f), 1e-6);
}

TEST(Sampler, ValidateNamesTheField) {
  Sampling sampling;
  sampling.top_p = 0;
  EXPECT_THROW(validate(sampling, 10), Error);
  sampling = {};
  sampling.temperature = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(validate(sampling, 10), Error);
  sampling = {};
  sampling.logit_bias = {{10, 1.0f}};
  EXPECT_THROW(validate(sampling, 10), Error);
}

TEST(StopMatcher, CutsAcrossTokenBorders) {
  StopMatcher matcher({"END", "\n\n"});
  EXPECT_EQ(matcher.push("some text E"), "some text ");
  EXPECT_EQ(matcher.push("N"), "");
  EXPECT_EQ(matcher.push("D and more"), "");
  EXPECT_TRUE(matcher.stopped());
  EXPECT_EQ(matcher.finish(), "");
}

TEST(StopMatcher, LetsFalseStartsThrough) {
  StopMatcher matcher({"aab"});
  EXPECT_EQ(matcher.push("aa"), "");
  EXPECT_EQ(matcher.push("a"), "a");
  EXPECT_EQ(matcher.push("c"), "aac");
  EXPECT_FALSE(matcher.stopped());
}

TEST(StopMatcher, TakesTheEarliestOfSeveral) {
  StopMatcher matcher({"yz", "x"});
  EXPECT_EQ(matcher.push("abxyz"), "ab");
}

TEST(StopMatcher, GivesBackWhatWasHeldAtTheEnd) {
  StopMatcher matcher({"###"});
  EXPECT_EQ(matcher.push("a##"), "a");
  EXPECT_EQ(matcher.finish(), "##");
}

}  // namespace
}  // namespace lyceum::engine
