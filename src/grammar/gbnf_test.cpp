#include "grammar/gbnf.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "grammar/constraint.h"

namespace lyceum::grammar {
namespace {

bool matches(const std::string& gbnf, const std::string& text) {
  Matcher matcher(std::make_shared<Constraint>(compile(parse_gbnf(gbnf)), std::make_shared<TokenTrie>(std::vector<std::string>{"a"})));
  return matcher.accept_text(text) && matcher.may_end();
}

std::string refusal(const std::string& gbnf) {
  try {
    compile(parse_gbnf(gbnf));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Gbnf, ReadsLiteralsClassesGroupsAndRepetitions) {
  EXPECT_TRUE(matches("root ::= \"yes\" | \"no\"", "no"));
  EXPECT_FALSE(matches("root ::= \"yes\" | \"no\"", "ye"));
  EXPECT_TRUE(matches("root ::= [a-c]+ [^a-c]", "abcabé"));
  EXPECT_FALSE(matches("root ::= [a-c]+ [^a-c]", "abca"));
  EXPECT_TRUE(matches("root ::= (\"a\" | \"b\"){2,3} .?", "abaz"));
  EXPECT_FALSE(matches("root ::= (\"a\" | \"b\"){2,3}", "abab"));
  EXPECT_TRUE(matches("root ::= \"a\"{2}", "aa"));
  EXPECT_FALSE(matches("root ::= \"a\"{2,}", "a"));
  EXPECT_TRUE(matches("root ::= \"a\"{,2}", ""));
  EXPECT_TRUE(matches(R"(root ::= "\"\\\n\x41\u00e9\U0001F600" [\]\-x])", "\"\\\nAé😀]"));
  EXPECT_TRUE(matches("root ::= [a-]+", "-a-"));
  EXPECT_TRUE(matches("root ::= .", "€"));
}

TEST(Gbnf, RulesCallEachOtherOverLinesAndComments) {
  const std::string list = R"(# a list
root ::= "[" (
    item ("," item)*   # items
  )? "]"
item ::= "x" |
  root
  | "y"
)";
  EXPECT_TRUE(matches(list, "[x,[y,[]],x]"));
  EXPECT_FALSE(matches(list, "[x,"));
  EXPECT_TRUE(matches("a ::= \"1\"\r\nroot ::= a\r\n", "1"));
}

TEST(Gbnf, RefusesByNameWithTheLine) {
  EXPECT_EQ(refusal("x ::= \"a\""), "the grammar has no rule named root");
  EXPECT_EQ(refusal("root ::= \"a\"\nroot ::= other\n"), "grammar line 2: the rule root is defined twice");
  EXPECT_EQ(refusal("root ::=\n  other\n"), "grammar line 2: the rule other is used but not defined");
  EXPECT_EQ(refusal("root ::= \"a"), "grammar line 1: a literal or class does not end");
  EXPECT_EQ(refusal("root ::= (\"a\""), "grammar line 1: a group ( is not closed");
  EXPECT_NE(refusal("root ::= <think>").find("references to tokens are not supported"), std::string::npos);
  EXPECT_NE(refusal("root ::= [z-a]").find("backwards"), std::string::npos);
  EXPECT_NE(refusal("root ::= \"a\"{10001}").find("over 10,000"), std::string::npos);
  EXPECT_NE(refusal("root ::= *").find("nothing is there"), std::string::npos);
  EXPECT_NE(refusal("root ::= \"\\ud800\"").find("not a Unicode character"), std::string::npos);
  EXPECT_NE(refusal("root ::= " + std::string(200, '(') + "\"a\"" + std::string(200, ')')).find("100 deep"), std::string::npos);
  EXPECT_NE(refusal("root ::= \"\xff\"").find("UTF-8"), std::string::npos);
}

TEST(Gbnf, RefusesWhatCannotBeRun) {
  EXPECT_NE(refusal("root ::= root \"a\" | \"a\"").find("root is left-recursive"), std::string::npos);
  EXPECT_NE(refusal("root ::= a \"x\"\na ::= empty b\nb ::= a | \"b\"\nempty ::= \"\"").find("left-recursive"), std::string::npos);
  EXPECT_NE(refusal("root ::= \"a\" root").find("matches no text"), std::string::npos);
  EXPECT_NE(refusal("root ::= []").find("matches no text"), std::string::npos);
  EXPECT_NE(refusal("root ::= (\"a\"{10000}){10000}").find("too many states"), std::string::npos);
  EXPECT_NE(refusal("root ::= ((\"\"{10000}){10000}){10000}").find("too many states"), std::string::npos);
  EXPECT_NE(refusal("root ::= [ab]* \"a\" [ab]{40}").find("too many states"), std::string::npos);
}

}  // namespace
}  // namespace lyceum::grammar
