#include "api/hub/ignore_rules.h"

#include <gtest/gtest.h>

using lyceum::api::IgnoreRules;

TEST(IgnoreRules, NameWithoutSlashMatchesAtAnyDepth) {
  const IgnoreRules rules("*.pyc\n");
  EXPECT_TRUE(rules.ignores("a.pyc"));
  EXPECT_TRUE(rules.ignores("deep/er/a.pyc"));
  EXPECT_FALSE(rules.ignores("a.py"));
}

TEST(IgnoreRules, SlashAnchorsToTheTop) {
  const IgnoreRules rules("/build\nsrc/*.o\n");
  EXPECT_TRUE(rules.ignores("build"));
  EXPECT_FALSE(rules.ignores("sub/build"));
  EXPECT_TRUE(rules.ignores("src/a.o"));
  EXPECT_FALSE(rules.ignores("src/deep/a.o"));
}

TEST(IgnoreRules, FolderRuleCoversEverythingBelow) {
  const IgnoreRules rules("cache/\n");
  EXPECT_TRUE(rules.ignores("cache/a/b.txt"));
  EXPECT_TRUE(rules.ignores("x/cache/b.txt"));
  EXPECT_FALSE(rules.ignores("cache"));
}

TEST(IgnoreRules, LastLineDecidesAndNegates) {
  const IgnoreRules rules("*.bin\n!keep.bin\n");
  EXPECT_TRUE(rules.ignores("a.bin"));
  EXPECT_FALSE(rules.ignores("keep.bin"));
}

TEST(IgnoreRules, NothingBelowAnIgnoredFolderComesBack) {
  const IgnoreRules rules("logs/\n!logs/keep.txt\n");
  EXPECT_TRUE(rules.ignores("logs/keep.txt"));
}

TEST(IgnoreRules, DoubleStarCrossesFolders) {
  const IgnoreRules rules("a/**/z.txt\n");
  EXPECT_TRUE(rules.ignores("a/z.txt"));
  EXPECT_TRUE(rules.ignores("a/b/c/z.txt"));
}

TEST(IgnoreRules, CommentsAndBlankLinesSayNothing) {
  const IgnoreRules rules("# all\n\n   \n");
  EXPECT_FALSE(rules.ignores("# all"));
  EXPECT_FALSE(rules.ignores("x"));
}
