#include "grammar/constraint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/random.h"
#include "grammar/gbnf.h"
#include "grammar/reference_matcher.h"

namespace lyceum::grammar {
namespace {

constexpr size_t kTokens = 200;

std::vector<std::string> letters_and_words(Rng& rng) {
  const std::vector<std::string> letters = {"a", "b", "c", "\xC3", "\xA9", "é", "\xE2\x82", "\xAC"};
  std::vector<std::string> texts = letters;
  texts.emplace_back();   // an id without a token
  while (texts.size() < kTokens) {
    std::string word;
    for (uint64_t i = 0, n = 1 + rng.below(5); i < n; ++i) word += letters[rng.below(letters.size())];
    texts.push_back(word);
  }
  return texts;
}

ExprId random_expr(Grammar& grammar, Rng& rng, const std::vector<RuleId>& rules, int depth) {
  const auto part = [&] { return random_expr(grammar, rng, rules, depth - 1); };
  switch (rng.below(depth > 0 ? 8 : 3)) {
    case 0: return grammar.literal(std::vector<std::string>{"a", "ab", "é", "", "ca", "b€"}[rng.below(6)]);
    case 1: return grammar.chars(rng.below(2) == 0 ? CharSet{{'a', 'b'}, {0xE9, 0xE9}} : CharSet{{'b', 'c'}, {0x20AC, 0x20AC}});
    case 2: return grammar.reference(rules[rng.below(rules.size())]);
    case 3: case 4: return grammar.sequence({part(), part()});
    case 5: return grammar.choice({part(), part(), part()});
    case 6: return grammar.repeat(part(), static_cast<uint32_t>(rng.below(2)));
    default: {
      const auto min = static_cast<uint32_t>(rng.below(3));
      return grammar.repeat(part(), min, min + static_cast<uint32_t>(rng.below(3)));
    }
  }
}

Grammar random_grammar(Rng& rng) {
  Grammar grammar;
  std::vector<RuleId> rules;
  for (const char* name : {"root", "one", "two", "three"}) rules.push_back(grammar.add_rule(name));
  for (const RuleId rule : rules) grammar.define(rule, random_expr(grammar, rng, rules, 3));
  return grammar;
}

std::vector<uint64_t> mask_of(Matcher& matcher) {
  std::vector<uint64_t> mask((kTokens + 63) / 64, ~uint64_t{0});
  matcher.fill(mask);
  return mask;
}
bool has(const std::vector<uint64_t>& mask, size_t id) { return (mask[id / 64] >> (id % 64) & 1) != 0; }

// A random walk through one grammar; at every place all tokens are checked against the reference.
void check_walk(const Grammar& grammar, const std::vector<std::string>& texts, const std::shared_ptr<Constraint>& constraint, Rng& rng) {
  ReferenceMatcher reference(grammar);
  Matcher matcher(constraint);
  std::string text;
  for (int step = 0; step < 6; ++step) {
    const auto mask = mask_of(matcher);
    ASSERT_EQ(matcher.may_end(), reference.matches(text)) << text;
    std::vector<int32_t> allowed;
    for (size_t id = 0; id < texts.size(); ++id) {
      ASSERT_EQ(has(mask, id), !texts[id].empty() && reference.is_prefix(text + texts[id])) << '"' << text << "\" + \"" << texts[id] << '"';
      if (has(mask, id)) allowed.push_back(static_cast<int32_t>(id));
    }
    ASSERT_EQ(matcher.must_end(), matcher.may_end() && allowed.empty());
    if (allowed.empty()) return;
    const int32_t next = allowed[rng.below(allowed.size())];
    ASSERT_TRUE(matcher.accept(next));
    text += texts[static_cast<size_t>(next)];
  }
}

TEST(Constraint, AllowsWhatThePlainReferenceAllows) {
  Rng rng(7);
  int compared = 0;
  for (int round = 0; round < 150; ++round) {
    const Grammar grammar = random_grammar(rng);
    std::shared_ptr<const Automaton> automaton;
    try {
      automaton = compile(grammar);
    } catch (const Error&) {
      continue;   // left-recursive, or matches nothing
    }
    const auto texts = letters_and_words(rng);
    const auto constraint = std::make_shared<Constraint>(automaton, std::make_shared<TokenTrie>(texts));
    try {
      for (int walk = 0; walk < 3; ++walk) {
        check_walk(grammar, texts, constraint, rng);
        if (HasFatalFailure()) FAIL() << "round " << round;
      }
      ++compared;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::unprocessable);   // too ambiguous
    }
  }
  EXPECT_GT(compared, 50);
}

TEST(Constraint, LongRepetitionsShareTheirMasksAndEndExactly) {
  std::vector<std::string> texts(kTokens);
  texts[0] = "x";
  texts[1] = "xxxx";
  texts[2] = "\"";
  texts[3] = "x\"";
  texts[4] = std::string(kLookBytes, 'x');
  texts[5] = std::string(kLookBytes + 1, 'x');
  const auto constraint = std::make_shared<Constraint>(compile(parse_gbnf("root ::= [^\"]{3,200} \"\\\"\"")), std::make_shared<TokenTrie>(texts));
  for (size_t length = 0; length <= 200; ++length) {
    Matcher matcher(constraint);
    ASSERT_TRUE(matcher.accept_text(std::string(length, 'x')));
    const auto mask = mask_of(matcher);
    EXPECT_EQ(has(mask, 0), length < 200) << length;
    EXPECT_EQ(has(mask, 1), length <= 196) << length;
    EXPECT_EQ(has(mask, 2), length >= 3) << length;
    EXPECT_EQ(has(mask, 3), length >= 2 && length < 200) << length;
    EXPECT_EQ(has(mask, 4), length <= 200 - kLookBytes) << length;
    EXPECT_FALSE(has(mask, 5)) << "longer than any that is looked at";
  }
}

TEST(Constraint, SpecialTokensMatchNoTextButThemselves) {
  std::vector<std::string> texts(kTokens);
  texts[0] = "<";
  texts[1] = special_token_bytes(1);
  texts[2] = special_token_bytes(2);
  Grammar any;
  any.set_root(any.add_rule("root", any.repeat(any.chars(CharSet::all()), 0)));
  const auto trie = std::make_shared<TokenTrie>(texts);
  Matcher text(std::make_shared<Constraint>(compile(any), trie));
  EXPECT_EQ(mask_of(text)[0], 1u);
  Grammar marked;
  marked.set_root(marked.add_rule("root", marked.sequence({marked.special_token(2), marked.chars(CharSet::all())})));
  Matcher marker(std::make_shared<Constraint>(compile(marked), trie));
  EXPECT_EQ(mask_of(marker)[0], 4u);
  EXPECT_FALSE(marker.accept(1));
  EXPECT_TRUE(marker.accept(2));
  EXPECT_EQ(mask_of(marker)[0], 1u);
}

TEST(Constraint, RightRecursionNeedsNoStack) {
  std::vector<std::string> texts(kTokens);
  texts[0] = "a";
  Matcher matcher(std::make_shared<Constraint>(compile(parse_gbnf("root ::= \"a\" root | \"b\"")), std::make_shared<TokenTrie>(texts)));
  EXPECT_TRUE(matcher.accept_text(std::string(5000, 'a') + "b"));
  EXPECT_TRUE(matcher.must_end());
}

TEST(Constraint, StopsNestingBeforeItsLimitAndCanStillEnd) {
  std::vector<std::string> texts(kTokens);
  texts[0] = "[";
  texts[1] = "[[[[[[[[";
  texts[2] = "]";
  Matcher matcher(std::make_shared<Constraint>(compile(parse_gbnf("root ::= \"[\" root? \"]\"")), std::make_shared<TokenTrie>(texts)));
  size_t depth = 0;
  while (true) {
    const auto mask = mask_of(matcher);
    const int32_t next = has(mask, 1) ? 1 : 0;
    if (!has(mask, static_cast<size_t>(next))) break;
    ASSERT_TRUE(matcher.accept(next)) << depth;
    depth += texts[static_cast<size_t>(next)].size();
    ASSERT_LT(depth, 1000u);
  }
  EXPECT_GT(depth, 400u);
  for (size_t i = 0; i < depth; ++i) ASSERT_TRUE(matcher.accept(2));
  EXPECT_TRUE(matcher.must_end());
}

TEST(Constraint, AmbiguityIsRefusedNotEndured) {
  std::vector<std::string> texts(kTokens);
  texts[0] = "a";
  const auto constraint = std::make_shared<Constraint>(compile(parse_gbnf("root ::= \"a\" root \"a\" root | \"a\" root | \"a\" root \"b\" | \"\"")), std::make_shared<TokenTrie>(texts));
  Matcher matcher(constraint);
  EXPECT_THROW(
      {
        for (int i = 0; i < 2000; ++i) matcher.accept_text("a");
      },
      Error);
  Matcher fresh(constraint);
  EXPECT_TRUE(fresh.accept_text("ab"));
}

TEST(Constraint, ServesManyThreads) {
  std::vector<std::string> texts(kTokens);
  texts[0] = "[";
  texts[1] = "]";
  texts[2] = "x";
  const auto constraint = std::make_shared<Constraint>(compile(parse_gbnf("root ::= \"[\" (root | \"x\")* \"]\"")), std::make_shared<TokenTrie>(texts));
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&constraint, seed] {
      Rng rng(seed);
      Matcher matcher(constraint);
      for (int i = 0; i < 300 && !matcher.must_end(); ++i) {
        const auto mask = mask_of(matcher);
        int32_t next = static_cast<int32_t>(rng.below(3));
        while (!has(mask, static_cast<size_t>(next))) next = static_cast<int32_t>(rng.below(3));
        EXPECT_TRUE(matcher.accept(next));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace lyceum::grammar
