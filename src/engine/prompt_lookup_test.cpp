#include "engine/prompt_lookup.h"

#include <gtest/gtest.h>

#include <numeric>

namespace lyceum::engine {
namespace {

std::vector<int32_t> proposal(PromptLookup& lookup, const std::vector<int32_t>& tokens, size_t most = 100) {
  const auto found = lookup.propose(tokens, most);
  return {found.begin(), found.end()};
}

TEST(PromptLookup, ProposesWhatFollowedTheLastTokens) {
  PromptLookup lookup;
  EXPECT_TRUE(proposal(lookup, {1, 2, 3}).empty());
  EXPECT_TRUE(proposal(lookup, {1, 2, 3, 4, 5}).empty());
  EXPECT_EQ(proposal(lookup, {1, 2, 3, 4, 5, 6, 1, 2, 3}), (std::vector<int32_t>{4, 5, 6}));
  EXPECT_EQ(proposal(lookup, {1, 2, 3, 4, 5, 6, 1, 2, 3}, 2), (std::vector<int32_t>{4, 5}));
  EXPECT_EQ(proposal(lookup, {1, 2, 3, 4, 5, 6, 1, 2, 3, 9, 1, 2, 3}), (std::vector<int32_t>{9, 1, 2}));   // the latest place
  EXPECT_TRUE(proposal(lookup, {1, 2, 3, 4, 5, 6, 1, 2, 3, 9, 1, 2, 3}, 0).empty());
}

TEST(PromptLookup, GrowsWithSuccessAndPausesWithout) {
  PromptLookup lookup;
  std::vector<int32_t> tokens(64);
  std::iota(tokens.begin(), tokens.end(), 0);
  tokens.insert(tokens.end(), {0, 1, 2});
  EXPECT_EQ(proposal(lookup, tokens).size(), 3u);
  lookup.learn(3, 3);
  EXPECT_EQ(proposal(lookup, tokens).size(), 6u);
  lookup.learn(6, 6);
  lookup.learn(12, 12);
  EXPECT_EQ(proposal(lookup, tokens).size(), 16u);
  for (int i = 0; i < 5; ++i) lookup.learn(16, 0);
  EXPECT_TRUE(proposal(lookup, tokens).empty());
  for (int i = 0; i < 15; ++i) tokens.insert(tokens.end(), 1, 100 + i);
  tokens.insert(tokens.end(), {0, 1, 2});
  EXPECT_EQ(proposal(lookup, tokens), (std::vector<int32_t>{100}));   // tried again after a while, carefully
}

}  // namespace
}  // namespace lyceum::engine
