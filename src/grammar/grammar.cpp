#include "grammar/grammar.h"

#include "base/error.h"

namespace lyceum::grammar {
namespace {

constexpr size_t kExpressionsMax = 200'000;
constexpr size_t kRulesMax = 20'000;

}  // namespace

Grammar::Grammar() { exprs_.emplace_back(); }

ExprId Grammar::add(Expr expr) {
  if (exprs_.size() >= kExpressionsMax) throw Error(Code::too_large, "the grammar has over 200,000 expressions; make it smaller");
  exprs_.push_back(std::move(expr));
  return static_cast<ExprId>(exprs_.size() - 1);
}

ExprId Grammar::literal(std::string_view bytes) {
  Expr expr;
  expr.bytes = bytes;
  return add(std::move(expr));
}

ExprId Grammar::chars(CharSet set) {
  Expr expr;
  expr.kind = Expr::Kind::chars;
  expr.chars = std::move(set);
  return add(std::move(expr));
}

ExprId Grammar::sequence(std::vector<ExprId> parts) {
  Expr expr;
  expr.kind = Expr::Kind::sequence;
  expr.parts = std::move(parts);
  return add(std::move(expr));
}

ExprId Grammar::choice(std::vector<ExprId> parts) {
  Expr expr;
  expr.kind = Expr::Kind::choice;
  expr.parts = std::move(parts);
  return add(std::move(expr));
}

ExprId Grammar::repeat(ExprId part, uint32_t min, uint32_t max) {
  Expr expr;
  expr.kind = Expr::Kind::repeat;
  expr.parts = {part};
  expr.min = min;
  expr.max = max;
  return add(std::move(expr));
}

ExprId Grammar::reference(RuleId rule) {
  Expr expr;
  expr.kind = Expr::Kind::rule;
  expr.rule = rule;
  return add(std::move(expr));
}

ExprId Grammar::special_token(int32_t id) { return literal(special_token_bytes(id)); }

RuleId Grammar::add_rule(std::string name) {
  if (rules_.size() >= kRulesMax) throw Error(Code::too_large, "the grammar has over 20,000 rules; make it smaller");
  rules_.push_back({std::move(name), 0});
  return static_cast<RuleId>(rules_.size() - 1);
}

RuleId Grammar::add_rule(std::string name, ExprId body) {
  const RuleId rule = add_rule(std::move(name));
  define(rule, body);
  return rule;
}

std::string special_token_bytes(int32_t id) {
  const auto value = static_cast<uint32_t>(id);
  std::string out = "\xFF";
  for (int shift = 18; shift >= 0; shift -= 6) out.push_back(static_cast<char>(0x80 | (value >> shift & 0x3F)));
  return out;
}

}  // namespace lyceum::grammar
