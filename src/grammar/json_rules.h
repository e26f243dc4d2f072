// json_rules.h: JSON (RFC 8259) as parts of a Grammar. Rules are made when they are asked for first. White space between tokens is nothing, one
// space, or one line break and up to 20 spaces or tabs, so that a model cannot go on with it forever; numbers have at most 16 digits, 16
// decimals and a two-digit exponent, so that every reader takes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "grammar/grammar.h"

namespace lyceum::grammar {

class JsonRules {
 public:
  explicit JsonRules(Grammar& grammar) : grammar_(grammar) {}
  Grammar& grammar() noexcept { return grammar_; }

  ExprId space();
  ExprId value();                                       // anything
  ExprId object();                                      // any
  ExprId array();                                       // any
  ExprId string();                                      // any
  ExprId string(uint32_t characters_min, uint32_t characters_max);
  ExprId number();
  ExprId integer();
  ExprId integer(std::optional<int64_t> min, std::optional<int64_t> max);   // REQUIRES: min <= max
  ExprId boolean();
  ExprId null() { return grammar_.literal("null"); }
  ExprId exactly(const json::value& value);             // written without spaces
  // "key", but none of `names`, written without escapes.
  ExprId key_but(const std::vector<std::string_view>& names);
  // One of these characters as it is written inside a string: plain where JSON allows it, else the shortest escape.
  ExprId encoded(const CharSet& set);
  // open part (, part)* close, with space; min and max parts.
  ExprId list(std::string_view open, ExprId part, uint32_t min, uint32_t max, std::string_view close);
  ExprId quoted(ExprId inside) { return grammar_.sequence({grammar_.literal("\""), inside, grammar_.literal("\"")}); }
  ExprId comma() { return grammar_.sequence({grammar_.literal(","), space()}); }
  // part as a rule of its own, so that using it many times costs little.
  ExprId as_rule(std::string name, ExprId part) { return grammar_.reference(grammar_.add_rule(std::move(name), part)); }

 private:
  ExprId rule_of(std::optional<RuleId>& rule, const char* name, ExprId (JsonRules::*make)());
  ExprId make_space();
  ExprId make_value();
  ExprId make_object();
  ExprId make_array();
  ExprId make_string();
  ExprId make_number();
  ExprId make_integer();
  ExprId make_boolean();
  ExprId digits(uint32_t min, uint32_t max) { return grammar_.repeat(grammar_.chars({{'0', '9'}}), min, max); }
  ExprId between(const std::string& low, const std::string& high);
  ExprId natural(uint64_t min, uint64_t max);
  ExprId key_rest(const std::vector<std::string_view>& names);

  Grammar& grammar_;
  std::optional<RuleId> space_, value_, object_, array_, string_, number_, integer_, boolean_;
};

}  // namespace lyceum::grammar
