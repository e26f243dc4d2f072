#include "text/regex.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/unicode.h"

namespace lyceum::text {
namespace {

std::vector<std::string> matches(const std::string& pattern, const std::string& text) {
  std::vector<Match> found;
  Regex(pattern).find_all(text, found);
  std::vector<std::string> out;
  for (const Match& match : found) {
    if (match.matched) out.push_back(text.substr(match.begin, match.end - match.begin));
  }
  return out;
}
using Texts = std::vector<std::string>;

TEST(Regex, ReadsOnigurumasRepeatedInterval) {
  EXPECT_EQ(matches(R"(\p{N}{1,3}+)", "12345 6"), (Texts{"12345", "6"}));  // a repeat of a repeat, not a possessive one
  EXPECT_EQ(matches(R"(\p{N}{1,3})", "12345 6"), (Texts{"123", "45", "6"}));
  EXPECT_EQ(matches(R"(a{,2}b)", "aaab"), (Texts{"aab"}));
}

TEST(Regex, ReadsClassesAsOnigurumaDoes) {
  EXPECT_EQ(matches(R"(\s+)", "a\u180eb\u3000\tc"), (Texts{"\u3000\t"}));
  EXPECT_EQ(matches(R"(\w+)", "a\u0301_b-½"), (Texts{"a\u0301_b"}));
  EXPECT_EQ(matches(R"(\h+)", "xyzAF09g"), (Texts{"AF09"}));
  EXPECT_EQ(matches(R"([^\s\p{L}]+)", "a!? b"), (Texts{"!?"}));
  EXPECT_EQ(matches(R"(\p{Han}+)", "漢字かな、"), (Texts{"漢字"}));
}

TEST(Regex, ReadsOptionsAndAnchors) {
  EXPECT_EQ(matches(R"((?i:'s|'LL))", "'S 'll 'x"), (Texts{"'S", "'ll"}));
  EXPECT_EQ(matches(R"((?m:a.b))", "a\nb"), (Texts{"a\nb"}));
  EXPECT_EQ(matches(R"(^b$)", "a\nb\nc"), (Texts{"b"}));
  EXPECT_EQ(matches(R"(\s+(?!\S)|\s+)", "a   b  "), (Texts{"  ", " ", "  "}));
}

TEST(Regex, RefusesByName) {
  for (const char* pattern :
       {"[a&&b]", "[a[bc]]", R"([\W])", "(?~a)", "a(?i)b", R"(\xE0)", "(", "[a", "a{2}?", R"(\y)"}) {
    EXPECT_THROW(Regex{pattern}, Error) << pattern;
  }
}

TEST(Regex, RefusesWhatIsNotUtf8) {
  std::vector<Match> found;
  EXPECT_THROW(Regex("[^\\w\\s]{1,3}+").find_all("!!\xfa\xfa\xfa\xfa\xfa\xfa??", found), Error);
  EXPECT_THROW(Regex("a").replace_all("a\xc3", "b"), Error);
}

TEST(Regex, GivesUpOnCatastrophicBacktracking) {
  std::vector<Match> found;
  EXPECT_THROW(Regex("^(a|aa)+$").find_all(std::string(60, 'a') + "b", found), Error);
}

TEST(Unicode, RepairsLikePython) {
  EXPECT_EQ(replace_invalid_utf8("a\xff\xe2\x82z"), "a\uFFFD\uFFFDz");
  EXPECT_EQ(replace_invalid_utf8("\xf0\x9f\x98\x80\xf0\x9f\x98"), "\U0001F600\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xf4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_TRUE(is_valid_utf8("héllo \U0001F600"));
  EXPECT_FALSE(is_valid_utf8("\xc0\x80"));
}

TEST(Unicode, Normalizes) {
  EXPECT_EQ(normalize("e\u0301", NormalForm::nfc), "\u00e9");
  EXPECT_EQ(normalize("\u00e9", NormalForm::nfd), "e\u0301");
  EXPECT_EQ(normalize("\ufb01\u2460", NormalForm::nfkc), "fi1");
  EXPECT_EQ(to_lower("ÀİΣ"), "ài\u0307σ");
}

}  // namespace
}  // namespace lyceum::text
