#include "grammar/gbnf.h"

#include <map>
#include <optional>

#include "base/error.h"
#include "text/unicode.h"

namespace lyceum::grammar {
namespace {

constexpr size_t kBytesMax = 256u << 10;
constexpr int kDepthMax = 100;
constexpr uint32_t kRepeatMax = 10'000;

bool is_name_char(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Grammar parse() {
    skip_space(true);
    while (at_ < text_.size()) {
      parse_rule();
      skip_space(true);
    }
    for (const auto& [name, known] : names_) {
      if (!known.defined) fail("the rule " + name + " is used but not defined", known.line);
    }
    const auto root = names_.find("root");
    if (root == names_.end()) throw Error(Code::invalid_argument, "the grammar has no rule named root");
    grammar_.set_root(root->second.rule);
    return std::move(grammar_);
  }

 private:
  struct Known {
    RuleId rule = 0;
    bool defined = false;
    size_t line = 1;
  };

  [[noreturn]] void fail(const std::string& what, std::optional<size_t> line = std::nullopt) const {
    throw Error(Code::invalid_argument, "grammar line " + std::to_string(line.value_or(line_)) + ": " + what);
  }
  char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(std::string_view what) {
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }

  void skip_space(bool newlines) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == ' ' || c == '\t' || ((c == '\n' || c == '\r') && newlines)) {
        line_ += c == '\n' ? 1 : 0;
        ++at_;
      } else {
        return;
      }
    }
  }

  std::string parse_name() {
    const size_t begin = at_;
    while (at_ < text_.size() && is_name_char(text_[at_])) ++at_;
    if (at_ == begin) fail("a rule's name (letters, digits, - and _) is expected here");
    return std::string(text_.substr(begin, at_ - begin));
  }

  Known& known(const std::string& name) {
    const auto [place, added] = names_.try_emplace(name);
    if (added) place->second = {grammar_.add_rule(name), false, line_};
    return place->second;
  }

  void parse_rule() {
    const std::string name = parse_name();
    skip_space(false);
    if (!take("::=")) fail("::= is expected after the rule's name " + name);
    skip_space(true);
    const ExprId body = parse_choice(0);
    if (at_ < text_.size() && peek() != '\n' && peek() != '\r') fail("the rule " + name + " does not end with its line");
    Known& rule = known(name);
    if (rule.defined) fail("the rule " + name + " is defined twice");
    rule.defined = true;
    grammar_.define(rule.rule, body);
  }

  ExprId parse_choice(int depth) {
    if (depth > kDepthMax) fail("groups are nested more than 100 deep");
    std::vector<ExprId> choices;
    do {
      skip_space(true);
      choices.push_back(parse_sequence(depth));
    } while (take_bar(depth));
    return choices.size() == 1 ? choices[0] : grammar_.choice(std::move(choices));
  }

  // A bar may begin the next line.
  bool take_bar(int depth) {
    if (take("|")) return true;
    if (depth > 0) return false;
    const size_t here = at_, line = line_;
    skip_space(true);
    if (take("|")) return true;
    at_ = here;
    line_ = line;
    return false;
  }

  ExprId parse_sequence(int depth) {
    std::vector<ExprId> parts;
    while (true) {
      skip_space(depth > 0);
      const auto item = find_item(depth);
      if (!item) break;
      parts.push_back(parse_repetition(*item, depth));
    }
    return parts.size() == 1 ? parts[0] : grammar_.sequence(std::move(parts));
  }

  std::optional<ExprId> find_item(int depth) {
    const char c = peek();
    if (c == '"') return parse_literal();
    if (c == '[') return parse_class();
    if (take(".")) return grammar_.chars(CharSet::all());
    if (take("(")) {
      const ExprId inside = parse_choice(depth + 1);
      skip_space(true);
      if (!take(")")) fail("a group ( is not closed");
      return inside;
    }
    if (is_name_char(c)) return find_reference();
    if (c == '<' || c == '!') fail("references to tokens are not supported; write the token's text in quotes");
    if (c == '*' || c == '+' || c == '?' || c == '{') fail(std::string("nothing is there for ") + c + " to repeat");
    return std::nullopt;
  }

  // A name that begins a new rule ends the sequence: in a group, lines do not end anything.
  std::optional<ExprId> find_reference() {
    const std::string name = parse_name();
    const size_t end = at_;
    skip_space(false);
    if (text_.substr(at_).starts_with("::=")) fail("a rule begins before a group ( is closed");
    at_ = end;
    return grammar_.reference(known(name).rule);
  }

  ExprId parse_repetition(ExprId item, int depth) {
    while (true) {
      skip_space(depth > 0);
      if (take("*")) {
        item = grammar_.repeat(item, 0);
      } else if (take("+")) {
        item = grammar_.repeat(item, 1);
      } else if (take("?")) {
        item = grammar_.repeat(item, 0, 1);
      } else if (take("{")) {
        item = parse_count(item);
      } else {
        return item;
      }
    }
  }

  ExprId parse_count(ExprId item) {
    skip_space(true);
    const uint32_t min = peek() == ',' ? 0 : parse_number();
    uint32_t max = min;
    skip_space(true);
    if (take(",")) {
      skip_space(true);
      max = peek() == '}' ? kUnbounded : parse_number();
      skip_space(true);
    }
    if (!take("}")) fail("} is expected after a repetition's numbers");
    if (max < min) fail("a repetition's second number is smaller than its first");
    return grammar_.repeat(item, min, max);
  }

  uint32_t parse_number() {
    uint32_t value = 0;
    const size_t begin = at_;
    while (peek() >= '0' && peek() <= '9' && value <= kRepeatMax) value = value * 10 + static_cast<uint32_t>(text_[at_++] - '0');
    if (at_ == begin) fail("a number is expected in { }");
    if (value > kRepeatMax) fail("a repetition is over 10,000");
    return value;
  }

  char32_t parse_hex(size_t digits) {
    char32_t value = 0;
    for (size_t i = 0; i < digits; ++i, ++at_) {
      const int digit = hex_digit(peek());
      if (digit < 0) fail("an escape has too few hexadecimal digits");
      value = value * 16 + static_cast<char32_t>(digit);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) fail("an escape is not a Unicode character");
    return value;
  }

  char32_t parse_char() {
    if (peek() == '\n' || at_ >= text_.size()) fail("a literal or class does not end");
    if (!take("\\")) return text::next_code_point(text_, at_);
    const char c = peek();
    if (at_ < text_.size()) ++at_;
    switch (c) {
      case 'n': return '\n';
      case 'r': return '\r';
      case 't': return '\t';
      case '\\': case '"': case '[': case ']': case '-': case '^': return static_cast<char32_t>(c);
      case 'x': return parse_hex(2);
      case 'u': return parse_hex(4);
      case 'U': return parse_hex(8);
      default: fail(std::string("unknown escape \\") + c);
    }
  }

  ExprId parse_literal() {
    ++at_;
    std::string bytes;
    while (!take("\"")) text::append_utf8(bytes, parse_char());
    return grammar_.literal(bytes);
  }

  ExprId parse_class() {
    ++at_;
    const bool negated = take("^");
    std::vector<CharRange> ranges;
    while (!take("]")) {
      const char32_t first = parse_char();
      char32_t last = first;
      if (peek() == '-' && !text_.substr(at_).starts_with("-]")) {
        ++at_;
        last = parse_char();
      }
      if (last < first) fail("a class has a range that runs backwards");
      ranges.push_back({first, last});
    }
    const CharSet set(std::move(ranges));
    return grammar_.chars(negated ? set.complement() : set);
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t line_ = 1;
  Grammar grammar_;
  std::map<std::string, Known> names_;
};

}  // namespace

Grammar parse_gbnf(std::string_view text) {
  if (text.size() > kBytesMax) throw Error(Code::too_large, "the grammar is over 256 KiB");
  if (!text::is_valid_utf8(text)) throw Error(Code::invalid_argument, "the grammar is not UTF-8");
  return Parser(text).parse();
}

}  // namespace lyceum::grammar
