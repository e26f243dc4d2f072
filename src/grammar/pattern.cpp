#include "grammar/pattern.h"

#include <optional>

#include "base/error.h"
#include "text/unicode.h"

namespace lyceum::grammar {
namespace {

constexpr size_t kBytesMax = 4096;
constexpr int kDepthMax = 50;
constexpr uint32_t kRepeatMax = 10'000;

const CharSet kAscii{{0, 0x7F}};
const CharSet kDigit{{'0', '9'}};
const CharSet kWord{{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'_', '_'}};
const CharSet kSpace{{'\t', '\r'}, {' ', ' '}};
const CharSet kLineEnds{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

class PatternParser {
 public:
  PatternParser(JsonRules& rules, std::string_view pattern) : rules_(rules), grammar_(rules.grammar()), pattern_(pattern) {}

  // Each alternative at the top has its own anchors.
  ExprId parse() {
    std::vector<ExprId> choices;
    do {
      std::vector<ExprId> parts;
      if (!take("^")) parts.push_back(anything());
      parts.push_back(parse_sequence(0));
      if (!take("$")) parts.push_back(anything());
      choices.push_back(grammar_.sequence(std::move(parts)));
    } while (take("|"));
    if (at_ < pattern_.size()) fail(peek() == ')' ? "a ) without its (" : "^ or $ is supported at the beginning and the end only");
    return grammar_.choice(std::move(choices));
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Code::invalid_argument, "pattern \"" + std::string(pattern_.substr(0, 100)) + "\": " + what + " (at byte " + std::to_string(at_) + ")");
  }
  char peek() const noexcept { return at_ < pattern_.size() ? pattern_[at_] : '\0'; }
  bool take(std::string_view what) {
    if (!pattern_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  ExprId anything() { return grammar_.repeat(rules_.encoded(CharSet::all()), 0); }

  ExprId parse_choice(int depth) {
    if (depth > kDepthMax) fail("groups are nested more than 50 deep");
    std::vector<ExprId> choices{parse_sequence(depth)};
    while (take("|")) choices.push_back(parse_sequence(depth));
    return choices.size() == 1 ? choices[0] : grammar_.choice(std::move(choices));
  }

  ExprId parse_sequence(int depth) {
    std::vector<ExprId> parts;
    while (at_ < pattern_.size() && peek() != '|' && peek() != ')') {
      if (peek() == '^' || peek() == '$') {
        if (depth > 0) fail("^ or $ inside a group is not supported");
        break;
      }
      parts.push_back(parse_repetition(parse_atom(depth)));
    }
    return grammar_.sequence(std::move(parts));
  }

  ExprId parse_atom(int depth) {
    if (take("(")) return parse_group(depth);
    if (take("[")) return rules_.encoded(parse_class());
    if (take(".")) return rules_.encoded(kLineEnds.complement());
    if (peek() == '*' || peek() == '+' || peek() == '?') fail("nothing is there to repeat");
    if (take("\\")) return rules_.encoded(parse_escape(false));
    const char32_t c = text::next_code_point(pattern_, at_);
    return rules_.encoded({{c, c}});
  }

  ExprId parse_group(int depth) {
    if (take("?=") || take("?!") || take("?<=") || take("?<!")) fail("look-around is not supported");
    if (take("?<")) {
      const size_t end = pattern_.find('>', at_);
      if (end == std::string_view::npos) fail("a group's name does not end");
      at_ = end + 1;
    } else if (!take("?:") && peek() == '?') {
      fail("this kind of group is not supported");
    }
    const ExprId inside = parse_choice(depth + 1);
    if (!take(")")) fail("a group ( is not closed");
    return inside;
  }

  ExprId parse_repetition(ExprId item) {
    uint32_t min = 0, max = kUnbounded;
    if (take("*")) {
    } else if (take("+")) {
      min = 1;
    } else if (take("?")) {
      max = 1;
    } else if (!take_count(min, max)) {
      return item;
    }
    take("?");   // lazy or greedy: the same texts
    if (peek() == '*' || peek() == '+') fail("a repetition is repeated");
    return grammar_.repeat(item, min, max);
  }

  // {2}, {2,} or {2,3}; anything else that begins with { is plain text.
  bool take_count(uint32_t& min, uint32_t& max) {
    const size_t here = at_;
    if (!take("{")) return false;
    const auto low = find_number();
    bool whole = low.has_value();
    std::optional<uint32_t> high = low;
    if (whole && take(",")) high = peek() == '}' ? std::optional<uint32_t>(kUnbounded) : find_number();
    whole = whole && high && take("}");
    if (!whole) {
      at_ = here;
      return false;
    }
    min = *low;
    max = *high;
    if (max < min) fail("a repetition's second number is smaller than its first");
    return true;
  }

  std::optional<uint32_t> find_number() {
    const size_t begin = at_;
    uint32_t value = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
      value = value * 10 + static_cast<uint32_t>(peek() - '0');
      if (value > kRepeatMax) fail("a repetition is over 10,000");
    }
    return at_ > begin ? std::optional(value) : std::nullopt;
  }

  char32_t parse_hex(size_t digits) {
    char32_t value = 0;
    for (size_t i = 0; i < digits; ++i, ++at_) {
      const size_t digit = std::string_view("0123456789abcdefABCDEF").find(peek());
      if (at_ >= pattern_.size() || digit == std::string_view::npos) fail("an escape has too few hexadecimal digits");
      value = value * 16 + static_cast<char32_t>(digit < 16 ? digit : digit - 6);
    }
    return value;
  }

  char32_t parse_unicode() {
    char32_t value = 0;
    if (take("{")) {
      const size_t end = pattern_.find('}', at_);
      if (end == std::string_view::npos || end == at_ || end - at_ > 6) fail("\\u{…} needs one to six digits");
      value = parse_hex(end - at_);
      ++at_;
    } else {
      value = parse_hex(4);
      if (value >= 0xD800 && value <= 0xDBFF && take("\\u")) value = 0x10000 + ((value - 0xD800) << 10) + (parse_hex(4) - 0xDC00);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) fail("an escape is not a Unicode character");
    return value;
  }

  CharSet parse_escape(bool in_class) {
    if (at_ >= pattern_.size()) fail("a \\ at the end");
    const size_t here = at_;
    const char32_t c = text::next_code_point(pattern_, at_);
    const auto one = [](char32_t character) { return CharSet{{character, character}}; };
    switch (c) {
      case 'd': return kDigit;
      case 'w': return kWord;
      case 's': return kSpace;
      case 'D': return kAscii.minus(kDigit);
      case 'W': return kAscii.minus(kWord);
      case 'S': return kAscii.minus(kSpace);
      case 'n': return one('\n');
      case 'r': return one('\r');
      case 't': return one('\t');
      case 'f': return one('\f');
      case 'v': return one('\v');
      case 'x': return one(parse_hex(2));
      case 'u': return one(parse_unicode());
      default: break;
    }
    const bool alphanumeric = kWord.contains(c);
    if (alphanumeric && !(c == '0' || (in_class && c == 'b'))) {
      at_ = here;
      fail("\\" + std::string(pattern_.substr(here, 1)) + " is not supported");
    }
    if (alphanumeric) return one(c == '0' ? 0 : '\b');
    return one(c);
  }

  // A class that is negated and holds \w, \d or \s stays within ASCII, where everybody means the same.
  CharSet parse_class() {
    const bool negated = take("^");
    CharSet set;
    bool ascii = false;
    while (!take("]")) {
      if (at_ >= pattern_.size()) fail("a class [ is not closed");
      const CharSet first = parse_class_item(ascii);
      if (peek() != '-' || pattern_.substr(at_).starts_with("-]") || !is_single(first)) {
        set.add(first);
        continue;
      }
      ++at_;
      if (at_ >= pattern_.size()) fail("a class [ is not closed");
      const CharSet last = parse_class_item(ascii);
      if (!is_single(last) || last.ranges()[0].first < first.ranges()[0].first) fail("a class has a range that is none");
      set.add({first.ranges()[0].first, last.ranges()[0].first});
    }
    if (!negated) return set;
    return ascii ? kAscii.minus(set) : set.complement();
  }

  static bool is_single(const CharSet& set) { return set.ranges().size() == 1 && set.ranges()[0].first == set.ranges()[0].last; }

  CharSet parse_class_item(bool& ascii) {
    if (!take("\\")) {
      const char32_t c = text::next_code_point(pattern_, at_);
      return CharSet{{c, c}};
    }
    ascii = ascii || std::string_view("dwsDWS").find(peek()) != std::string_view::npos;
    return parse_escape(true);
  }

  JsonRules& rules_;
  Grammar& grammar_;
  std::string_view pattern_;
  size_t at_ = 0;
};

}  // namespace

ExprId pattern_in_string(JsonRules& rules, std::string_view pattern) {
  if (pattern.size() > kBytesMax) throw Error(Code::invalid_argument, "a pattern is over 4,096 bytes");
  if (!text::is_valid_utf8(pattern)) throw Error(Code::invalid_argument, "a pattern is not UTF-8");
  return PatternParser(rules, pattern).parse();
}

}  // namespace lyceum::grammar
