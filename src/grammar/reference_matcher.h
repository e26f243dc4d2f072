// reference_matcher.h: what a grammar matches, read straight from its definition and slowly: the tests' oracle.
#pragma once

#include <map>
#include <set>
#include <string>

#include "grammar/grammar.h"
#include "text/unicode.h"

namespace lyceum::grammar {

class ReferenceMatcher {
 public:
  explicit ReferenceMatcher(const Grammar& grammar) : grammar_(grammar), productive_(grammar.rules().size(), false) {
    for (size_t round = 0; round <= productive_.size(); ++round) {
      for (size_t rule = 0; rule < productive_.size(); ++rule) productive_[rule] = can_end(grammar.rules()[rule].body);
    }
  }

  bool matches(const std::string& text) { return run(text).contains(text.size()); }
  // Some text that begins like this matches.
  bool is_prefix(const std::string& text) { return run(text).contains(text.size()) || cut_; }

 private:
  using Ends = std::set<size_t>;

  const Ends& run(const std::string& text) {
    text_ = text;
    known_.clear();
    cut_ = false;
    return call(grammar_.root(), 0, true);
  }

  bool can_end(ExprId id) const {
    const Expr& expr = grammar_.expr(id);
    switch (expr.kind) {
      case Expr::Kind::bytes: return true;
      case Expr::Kind::chars: return !expr.chars.empty();
      case Expr::Kind::sequence: return std::ranges::all_of(expr.parts, [this](ExprId part) { return can_end(part); });
      case Expr::Kind::choice: return std::ranges::any_of(expr.parts, [this](ExprId part) { return can_end(part); });
      case Expr::Kind::repeat: return expr.min == 0 || can_end(expr.parts[0]);
      case Expr::Kind::rule: return productive_[expr.rule];
    }
    return false;
  }

  // `goes_on`: what comes after this can end, so that a text which stops within it is a prefix.
  const Ends& call(RuleId rule, size_t at, bool goes_on) {
    const auto key = std::tuple(rule, at, goes_on);
    if (const auto found = known_.find(key); found != known_.end()) return found->second;
    known_[key] = {};   // a rule that begins with itself, where that leads nowhere, adds nothing
    Ends ends = match(grammar_.rules()[rule].body, at, goes_on);
    return known_[key] = std::move(ends);
  }

  Ends match(ExprId id, size_t at, bool goes_on) {
    const Expr& expr = grammar_.expr(id);
    switch (expr.kind) {
      case Expr::Kind::bytes: return match_bytes(expr.bytes, at, goes_on);
      case Expr::Kind::chars: return match_chars(expr.chars, at, goes_on);
      case Expr::Kind::sequence: return match_sequence(expr, at, goes_on);
      case Expr::Kind::choice: {
        Ends out;
        for (const ExprId part : expr.parts) out.merge(match(part, at, goes_on));
        return out;
      }
      case Expr::Kind::repeat: return match_repeat(expr, at, goes_on);
      case Expr::Kind::rule: return call(expr.rule, at, goes_on);
    }
    return {};
  }

  Ends match_bytes(const std::string& bytes, size_t at, bool goes_on) {
    const std::string there = text_.substr(at, bytes.size());
    if (there == bytes) return {at + bytes.size()};
    if (at + there.size() == text_.size() && bytes.starts_with(there) && goes_on) cut_ = true;
    return {};
  }

  Ends match_chars(const CharSet& set, size_t at, bool goes_on) {
    Ends out;
    for (const CharRange& range : set.ranges()) {
      for (char32_t c = range.first; c <= range.last; ++c) {
        std::string bytes;
        text::append_utf8(bytes, c);
        out.merge(match_bytes(bytes, at, goes_on));
      }
    }
    return out;
  }

  Ends match_sequence(const Expr& expr, size_t at, bool goes_on) {
    Ends now{at};
    for (size_t i = 0; i < expr.parts.size(); ++i) {
      const bool rest = goes_on && std::all_of(expr.parts.begin() + static_cast<ptrdiff_t>(i) + 1, expr.parts.end(), [this](ExprId part) { return can_end(part); });
      Ends next;
      for (const size_t each : now) next.merge(match(expr.parts[i], each, rest));
      now = std::move(next);
    }
    return now;
  }

  Ends match_repeat(const Expr& expr, size_t at, bool goes_on) {
    Ends now{at}, out;
    for (uint32_t count = 0; count <= expr.max && !now.empty() && count <= text_.size() + expr.min + 1; ++count) {
      if (count >= expr.min) out.insert(now.begin(), now.end());
      if (count == expr.max) break;
      Ends next;
      const bool rest = goes_on && (count + 1 >= expr.min || can_end(expr.parts[0]));
      for (const size_t each : now) next.merge(match(expr.parts[0], each, rest));
      now = std::move(next);
    }
    return out;
  }

  const Grammar& grammar_;
  std::vector<bool> productive_;
  std::string text_;
  std::map<std::tuple<RuleId, size_t, bool>, Ends> known_;
  bool cut_ = false;
};

}  // namespace lyceum::grammar
