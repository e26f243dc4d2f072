// grammar.h: a context-free grammar as a value: rules over expressions. GBNF text, JSON schemas and tool formats all become one of
// these; compile() (automaton.h) makes it executable. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/char_set.h"

namespace lyceum::grammar {

using ExprId = uint32_t;
using RuleId = uint32_t;

constexpr uint32_t kUnbounded = UINT32_MAX;

struct Expr {
  enum class Kind : uint8_t { bytes, chars, sequence, choice, repeat, rule };
  Kind kind = Kind::bytes;
  std::string bytes;            // bytes: exactly these
  CharSet chars;                // chars: one character of these, as UTF-8
  std::vector<ExprId> parts;    // sequence, choice; repeat: one
  uint32_t min = 0, max = 0;    // repeat; max may be kUnbounded
  RuleId rule = 0;              // rule
};

// Expressions may be used several times; they form a directed graph without cycles. Only rules make cycles.
class Grammar {
 public:
  // Each throws Error(too_large) beyond 200,000 expressions or 20,000 rules.
  ExprId literal(std::string_view bytes);
  ExprId chars(CharSet set);
  ExprId sequence(std::vector<ExprId> parts);   // none: the empty text
  ExprId choice(std::vector<ExprId> parts);     // none: matches nothing
  ExprId repeat(ExprId part, uint32_t min, uint32_t max = kUnbounded);
  ExprId optional(ExprId part) { return repeat(part, 0, 1); }
  ExprId reference(RuleId rule);
  // The text of one special token, which no character class and no literal text matches.
  ExprId special_token(int32_t id);

  RuleId add_rule(std::string name);            // define() must follow
  void define(RuleId rule, ExprId body) { rules_[rule].body = body; }
  RuleId add_rule(std::string name, ExprId body);

  void set_root(RuleId rule) { root_ = rule; }
  RuleId root() const noexcept { return root_; }
  const Expr& expr(ExprId id) const { return exprs_[id]; }
  struct Rule {
    std::string name;
    ExprId body = 0;            // 0 is the empty text
  };
  const std::vector<Rule>& rules() const noexcept { return rules_; }

  Grammar();

 private:
  ExprId add(Expr expr);
  std::vector<Expr> exprs_;
  std::vector<Rule> rules_;
  RuleId root_ = 0;
};

// The bytes that stand for a special token in the automaton: 0xFF, which UTF-8 never has, and the id. REQUIRES: 0 <= id < 2^24.
std::string special_token_bytes(int32_t id);

}  // namespace lyceum::grammar
