#include "cli/line_editor.h"

#include <gtest/gtest.h>

namespace lyceum::cli {
namespace {

TEST(LineJoiner, TakesALineAsItIs) {
  LineJoiner joiner;
  EXPECT_EQ(joiner.add("hello"), "hello");
  EXPECT_EQ(joiner.add("say \"\"\" aloud"), "say \"\"\" aloud");   // quotes begin a text only where a line begins
  EXPECT_EQ(joiner.add(""), std::nullopt);
  EXPECT_FALSE(joiner.open());
  EXPECT_EQ(joiner.finish(), std::nullopt);
}

TEST(LineJoiner, JoinsLinesThatEndWithABackslash) {
  LineJoiner joiner;
  EXPECT_EQ(joiner.add("one\\"), std::nullopt);
  EXPECT_TRUE(joiner.open());
  EXPECT_EQ(joiner.add("two\\"), std::nullopt);
  EXPECT_EQ(joiner.add("three"), "one\ntwo\nthree");
  EXPECT_EQ(joiner.add("\\"), std::nullopt);
  EXPECT_EQ(joiner.add("x"), "\nx");
}

TEST(LineJoiner, TakesAllBetweenQuotes) {
  LineJoiner joiner;
  EXPECT_EQ(joiner.add("\"\"\""), std::nullopt);
  EXPECT_EQ(joiner.add("def f():"), std::nullopt);
  EXPECT_EQ(joiner.add("    return '\\'"), std::nullopt);
  EXPECT_EQ(joiner.add("\"\"\""), "def f():\n    return '\\'\n");
  EXPECT_EQ(joiner.add("\"\"\"one line\"\"\" rest"), "one line");
  EXPECT_EQ(joiner.add("\"\"\"begun"), std::nullopt);
  EXPECT_EQ(joiner.finish(), "begun\n");   // the end of input ends it
  EXPECT_FALSE(joiner.open());
}

}  // namespace
}  // namespace lyceum::cli
