#include "grammar/json_rules.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "text/unicode.h"

namespace lyceum::grammar {
namespace {

const CharSet kHex{{'0', '9'}, {'a', 'f'}, {'A', 'F'}};
const CharSet kAfterBackslash{{'"', '"'}, {'\\', '\\'}, {'/', '/'}, {'b', 'b'}, {'f', 'f'}, {'n', 'n'}, {'r', 'r'}, {'t', 't'}};

CharSet plain_characters() { return CharSet{{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0x10FFFF}}; }   // all but " \ and controls

std::string escape_of(char32_t c) {
  static const std::map<char32_t, std::string> kShort = {{'"', "\\\""}, {'\\', "\\\\"}, {'\b', "\\b"}, {'\t', "\\t"}, {'\n', "\\n"}, {'\f', "\\f"}, {'\r', "\\r"}};
  if (const auto found = kShort.find(c); found != kShort.end()) return found->second;
  constexpr std::string_view kDigits = "0123456789abcdef";
  return std::string("\\u00") + kDigits[c >> 4 & 15] + kDigits[c & 15];
}

// As boost::json, but numbers in their usual form (1.5, not 1.5E0).
void write_compact(const json::value& value, std::string& out) {
  if (value.is_object()) {
    std::string_view before = "{";
    for (const auto& [key, member] : value.get_object()) {
      out += before;
      out += json::serialize(json::value(key)) + ":";
      write_compact(member, out);
      before = ",";
    }
    out += value.get_object().empty() ? "{}" : "}";
  } else if (value.is_array()) {
    std::string_view before = "[";
    for (const json::value& item : value.get_array()) {
      out += before;
      write_compact(item, out);
      before = ",";
    }
    out += value.get_array().empty() ? "[]" : "]";
  } else if (value.is_double()) {
    std::array<char, 32> digits{};
    out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value.get_double()).ptr);
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

// The number first: its body may call it.
ExprId JsonRules::rule_of(std::optional<RuleId>& rule, const char* name, ExprId (JsonRules::*make)()) {
  if (!rule) {
    rule = grammar_.add_rule(name);
    grammar_.define(*rule, (this->*make)());
  }
  return grammar_.reference(*rule);
}

ExprId JsonRules::space() { return rule_of(space_, "space", &JsonRules::make_space); }
ExprId JsonRules::value() { return rule_of(value_, "value", &JsonRules::make_value); }
ExprId JsonRules::object() { return rule_of(object_, "object", &JsonRules::make_object); }
ExprId JsonRules::array() { return rule_of(array_, "array", &JsonRules::make_array); }
ExprId JsonRules::string() { return rule_of(string_, "string", &JsonRules::make_string); }
ExprId JsonRules::number() { return rule_of(number_, "number", &JsonRules::make_number); }
ExprId JsonRules::integer() { return rule_of(integer_, "integer", &JsonRules::make_integer); }
ExprId JsonRules::boolean() { return rule_of(boolean_, "boolean", &JsonRules::make_boolean); }

ExprId JsonRules::make_space() {
  return grammar_.choice({grammar_.literal(""), grammar_.literal(" "),
                          grammar_.sequence({grammar_.literal("\n"), grammar_.repeat(grammar_.chars({{' ', ' '}, {'\t', '\t'}}), 0, 20)})});
}

ExprId JsonRules::make_value() { return grammar_.choice({object(), array(), string(), number(), boolean(), null()}); }

ExprId JsonRules::make_object() {
  const ExprId member = grammar_.sequence({string(), grammar_.literal(":"), space(), value()});
  return list("{", as_rule("member", member), 0, kUnbounded, "}");
}

ExprId JsonRules::make_array() { return list("[", value(), 0, kUnbounded, "]"); }

ExprId JsonRules::list(std::string_view open, ExprId part, uint32_t min, uint32_t max, std::string_view close) {
  std::vector<ExprId> parts{grammar_.literal(open), space()};
  if (max > 0) {
    const ExprId more = as_rule("more", grammar_.sequence({comma(), part}));   // a rule: it is repeated up to `max` times
    const ExprId all = grammar_.sequence({part, grammar_.repeat(more, min == 0 ? 0 : min - 1, max == kUnbounded ? max : max - 1), space()});
    parts.push_back(min == 0 ? grammar_.optional(all) : all);
  }
  parts.push_back(grammar_.literal(close));
  return grammar_.sequence(std::move(parts));
}

// Any escape that makes whole characters: \uD83D\uDE00, but no half of it.
ExprId JsonRules::make_string() {
  const ExprId hex = grammar_.chars(kHex);
  const ExprId low = grammar_.sequence({grammar_.chars({{'d', 'd'}, {'D', 'D'}}), grammar_.chars({{'c', 'f'}, {'C', 'F'}}), hex, hex});
  const ExprId high = grammar_.sequence({grammar_.chars({{'d', 'd'}, {'D', 'D'}}), grammar_.chars({{'8', '9'}, {'a', 'b'}, {'A', 'B'}}), hex, hex});
  const ExprId single = grammar_.choice({grammar_.sequence({grammar_.chars({{'0', '9'}, {'a', 'c'}, {'e', 'f'}, {'A', 'C'}, {'E', 'F'}}), hex, hex, hex}),
                                         grammar_.sequence({grammar_.chars({{'d', 'd'}, {'D', 'D'}}), grammar_.chars({{'0', '7'}}), hex, hex})});
  const ExprId unicode = grammar_.sequence({grammar_.literal("u"), grammar_.choice({single, grammar_.sequence({high, grammar_.literal("\\u"), low})})});
  const ExprId escape = grammar_.sequence({grammar_.literal("\\"), grammar_.choice({grammar_.chars(kAfterBackslash), unicode})});
  return quoted(grammar_.repeat(grammar_.choice({grammar_.chars(plain_characters()), escape}), 0));
}

// Without \u: every copy of a character costs states.
ExprId JsonRules::string(uint32_t characters_min, uint32_t characters_max) {
  if (characters_min == 0 && characters_max == kUnbounded) return string();
  const ExprId escape = grammar_.sequence({grammar_.literal("\\"), grammar_.chars(kAfterBackslash)});
  return quoted(grammar_.repeat(grammar_.choice({grammar_.chars(plain_characters()), escape}), characters_min, characters_max));
}

ExprId JsonRules::make_integer() {
  const ExprId magnitude = grammar_.choice({grammar_.literal("0"), grammar_.sequence({grammar_.chars({{'1', '9'}}), digits(0, 15)})});
  return grammar_.sequence({grammar_.optional(grammar_.literal("-")), magnitude});
}

ExprId JsonRules::make_number() {
  const ExprId fraction = grammar_.sequence({grammar_.literal("."), digits(1, 16)});
  const ExprId exponent = grammar_.sequence({grammar_.chars({{'e', 'e'}, {'E', 'E'}}), grammar_.optional(grammar_.chars({{'+', '+'}, {'-', '-'}})), digits(1, 2)});
  return grammar_.sequence({integer(), grammar_.optional(fraction), grammar_.optional(exponent)});
}

ExprId JsonRules::make_boolean() { return grammar_.choice({grammar_.literal("true"), grammar_.literal("false")}); }

ExprId JsonRules::exactly(const json::value& value) {
  std::string text;
  write_compact(value, text);
  return grammar_.literal(text);
}

// Digits between two numbers of the same length.
ExprId JsonRules::between(const std::string& low, const std::string& high) {
  if (low.empty()) return grammar_.literal("");
  const auto rest = [](const std::string& text) { return text.substr(1); };
  const auto size = static_cast<uint32_t>(low.size() - 1);
  if (low.find_first_not_of('0') == std::string::npos && high.find_first_not_of('9') == std::string::npos) return digits(size + 1, size + 1);
  if (low[0] == high[0]) return grammar_.sequence({grammar_.literal(low.substr(0, 1)), between(rest(low), rest(high))});
  std::vector<ExprId> choices{grammar_.sequence({grammar_.literal(low.substr(0, 1)), between(rest(low), std::string(size, '9'))}),
                              grammar_.sequence({grammar_.literal(high.substr(0, 1)), between(std::string(size, '0'), rest(high))})};
  if (high[0] - low[0] > 1) choices.push_back(grammar_.sequence({grammar_.chars({{static_cast<char32_t>(low[0] + 1), static_cast<char32_t>(high[0] - 1)}}), digits(size, size)}));
  return grammar_.choice(std::move(choices));
}

ExprId JsonRules::natural(uint64_t min, uint64_t max) {
  std::vector<ExprId> choices;
  for (size_t length = std::to_string(min).size(); length <= std::to_string(max).size(); ++length) {
    const std::string lowest = length == 1 ? "0" : "1" + std::string(length - 1, '0');
    const std::string low = std::to_string(min).size() == length ? std::to_string(min) : lowest;
    const std::string high = std::to_string(max).size() == length ? std::to_string(max) : std::string(length, '9');
    choices.push_back(between(low, high));
  }
  return grammar_.choice(std::move(choices));
}

ExprId JsonRules::integer(std::optional<int64_t> min, std::optional<int64_t> max) {
  if (!min && !max) return integer();
  constexpr int64_t kFar = 9'999'999'999'999'999;   // 16 digits, as without bounds
  const int64_t low = min.value_or(std::min(-kFar, max.value_or(0))), high = max.value_or(std::max(kFar, min.value_or(0)));
  const auto magnitude = [](int64_t value) { return value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value); };
  std::vector<ExprId> choices;
  if (low < 0) choices.push_back(grammar_.sequence({grammar_.literal("-"), natural(high < 0 ? magnitude(high) : 1, magnitude(low))}));
  if (high >= 0) choices.push_back(natural(low < 0 ? 0 : magnitude(low), magnitude(high)));
  return grammar_.choice(std::move(choices));
}

// What may follow when `names` are what is left of the names that the key has been like so far.
ExprId JsonRules::key_rest(const std::vector<std::string_view>& names) {
  std::map<char32_t, std::vector<std::string_view>> by_first;
  bool is_name = false;
  for (std::string_view name : names) {
    if (name.empty()) {
      is_name = true;
      continue;
    }
    size_t at = 0;
    const char32_t first = text::next_code_point(name, at);
    by_first[first].push_back(name.substr(at));
  }
  CharSet others = plain_characters();
  std::vector<ExprId> choices;
  for (const auto& [first, rest] : by_first) {
    if (!others.contains(first)) continue;   // written with an escape: no key without one is that name
    others = others.minus(CharSet{{first, first}});
    std::string bytes;
    text::append_utf8(bytes, first);
    choices.push_back(grammar_.sequence({grammar_.literal(bytes), key_rest(rest)}));
  }
  choices.push_back(grammar_.sequence({grammar_.chars(others), grammar_.repeat(grammar_.chars(plain_characters()), 0)}));
  if (!is_name) choices.push_back(grammar_.literal(""));
  return grammar_.choice(std::move(choices));
}

ExprId JsonRules::key_but(const std::vector<std::string_view>& names) { return quoted(key_rest(names)); }

ExprId JsonRules::encoded(const CharSet& set) {
  std::vector<ExprId> choices;
  const CharSet plain = set.intersect(plain_characters());
  if (!plain.empty()) choices.push_back(grammar_.chars(plain));
  for (char32_t c = 0; c <= '\\'; ++c) {
    if (set.contains(c) && (c < 0x20 || c == '"' || c == '\\')) choices.push_back(grammar_.literal(escape_of(c)));
  }
  return choices.size() == 1 ? choices[0] : grammar_.choice(std::move(choices));
}

}  // namespace lyceum::grammar
