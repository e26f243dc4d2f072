#include "text/jinja/lexer.h"

#include <array>
#include <cstdlib>

#include "base/error.h"
#include "text/unicode.h"

namespace lyceum::text::jinja {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= 0x1F); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

// Jinja reads "\r\n" and "\r" as "\n" and drops one newline at the very end.
std::string normalized_source(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out.push_back(source[i]);
      continue;
    }
    out.push_back('\n');
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalized_source(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) text_until_tag();
    push(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw Error(Code::invalid_argument, "chat template line " + std::to_string(line_) + ": " + message);
  }
  bool here(std::string_view text) const { return std::string_view(source_).substr(at_).starts_with(text); }
  char peek(size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }

  void advance(size_t count) {
    for (size_t i = 0; i < count; ++i) line_ += source_[at_ + i] == '\n';
    at_ += count;
  }
  void push(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  void skip_spaces() {
    size_t count = 0;
    while (at_ + count < source_.size() && is_space(source_[at_ + count])) ++count;
    advance(count);
  }

  size_t find_tag(size_t from) const {
    for (size_t i = source_.find('{', from); i != std::string::npos; i = source_.find('{', i + 1)) {
      const char next = i + 1 < source_.size() ? source_[i + 1] : '\0';
      if (next == '{' || next == '%' || next == '#') return i;
    }
    return std::string::npos;
  }

  // The text before a tag, after "-" or lstrip_blocks has had its way with it.
  void push_text(std::string_view text, char sign, bool strips_line) {
    if (sign == '-') {
      while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    } else if (sign != '+' && strips_line) {
      const size_t line_start = text.rfind('\n') + 1;
      const bool starts_line = line_start > 0 || line_starting_;
      const bool blank = text.find_first_not_of(" \t\n\r\f\v\x1c\x1d\x1e\x1f", line_start) == std::string_view::npos;
      if (starts_line && blank) text = text.substr(0, line_start);
    }
    if (!text.empty()) push(TokenKind::data, std::string(text));
  }

  void text_until_tag() {
    const size_t tag = find_tag(at_);
    if (tag == std::string::npos) {
      push(TokenKind::data, source_.substr(at_));
      at_ = source_.size();
      return;
    }
    const char kind = source_[tag + 1];
    const char after = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    const char sign = after == '-' || after == '+' ? after : '\0';
    push_text(std::string_view(source_).substr(at_, tag - at_), sign, kind != '{');
    advance(tag - at_ + 2 + (sign == '\0' ? 0 : 1));
    if (kind == '#')
      comment();
    else if (kind == '{')
      expression(TokenKind::variable_begin, TokenKind::variable_end, "}}");
    else if (!raw_block())
      expression(TokenKind::block_begin, TokenKind::block_end, "%}");
    line_starting_ = at_ > 0 && source_[at_ - 1] == '\n';
  }

  void comment() {
    const size_t close = source_.find("#}", at_);
    if (close == std::string::npos) fail("a comment is not closed");
    const char sign = close > at_ ? source_[close - 1] : '\0';
    advance(close + 2 - at_);
    after_block(sign);
  }

  // What follows "%}" or "#}": "-" eats all white space, "+" nothing, otherwise trim_blocks eats one newline.
  void after_block(char sign) {
    if (sign == '-')
      skip_spaces();
    else if (sign != '+' && peek() == '\n')
      advance(1);
  }

  // {% raw %}…{% endraw %}. True when the tag just opened is one.
  bool raw_block() {
    size_t i = at_;
    const auto skip = [&] {
      while (i < source_.size() && is_space(source_[i])) ++i;
    };
    skip();
    if (source_.compare(i, 3, "raw") != 0) return false;
    i += 3;
    skip();
    const bool strips = source_.compare(i, 1, "-") == 0;
    if (source_.compare(strips ? i + 1 : i, 2, "%}") != 0) return false;
    advance((strips ? i + 3 : i + 2) - at_);
    if (strips) skip_spaces();
    raw_text();
    return true;
  }

  void raw_text() {
    for (size_t tag = source_.find("{%", at_); tag != std::string::npos; tag = source_.find("{%", tag + 2)) {
      size_t i = tag + 2;
      const char before = i < source_.size() && (source_[i] == '-' || source_[i] == '+') ? source_[i++] : '\0';
      const auto skip = [&] {
        while (i < source_.size() && is_space(source_[i])) ++i;
      };
      skip();
      if (source_.compare(i, 6, "endraw") != 0) continue;
      i += 6;
      skip();
      const char after = i < source_.size() && (source_[i] == '-' || source_[i] == '+') ? source_[i++] : '\0';
      if (source_.compare(i, 2, "%}") != 0) continue;
      push_text(std::string_view(source_).substr(at_, tag - at_), before, true);
      advance(i + 2 - at_);
      after_block(after);
      return;
    }
    fail("a raw block is not closed");
  }

  // Tokens up to the closing mark. Brackets are balanced, so "}}" inside a dictionary does not close a variable.
  void expression(TokenKind begin, TokenKind end, std::string_view mark) {
    push(begin, "");
    std::string open;
    while (true) {
      skip_spaces();
      if (at_ >= source_.size()) fail("a tag is not closed");
      if (open.empty() && closes(mark, end)) return;
      token(open);
    }
  }

  bool closes(std::string_view mark, TokenKind end) {
    const bool is_block = end == TokenKind::block_end;
    char sign = '\0';
    if (peek() == '-' || (is_block && peek() == '+')) sign = peek();
    const size_t skip = sign == '\0' ? 0 : 1;
    if (!std::string_view(source_).substr(at_ + skip).starts_with(mark)) return false;
    push(end, "");
    advance(skip + mark.size());
    if (is_block)
      after_block(sign);
    else if (sign == '-')
      skip_spaces();
    return true;
  }

  void token(std::string& open) {
    const char c = peek();
    if (starts_name(c)) return name();
    if (is_digit(c)) return number();
    if (c == '\'' || c == '"') return quoted(c);
    static constexpr std::array<std::string_view, 25> kSymbols = {"==", "!=", ">=", "<=", "//", "**", "+", "-", "/",
                                                                  "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                                  ">",  "<",  "=",  ".",  ":",  "|",  ","};
    for (const std::string_view symbol : kSymbols) {
      if (!here(symbol)) continue;
      balance(symbol, open);
      push(TokenKind::symbol, std::string(symbol));
      advance(symbol.size());
      return;
    }
    fail(std::string("unexpected character '") + c + "'");
  }

  void balance(std::string_view symbol, std::string& open) {
    if (symbol == "(" || symbol == "[" || symbol == "{") open.push_back(symbol[0]);
    const bool closing = symbol == ")" || symbol == "]" || symbol == "}";
    if (!closing) return;
    const char wanted = symbol == ")" ? '(' : symbol == "]" ? '[' : '{';
    if (open.empty() || open.back() != wanted) fail("unexpected '" + std::string(symbol) + "'");
    open.pop_back();
  }

  void name() {
    size_t count = 1;
    while (at_ + count < source_.size() && (starts_name(source_[at_ + count]) || is_digit(source_[at_ + count])))
      ++count;
    push(TokenKind::name, source_.substr(at_, count));
    advance(count);
  }

  size_t digits_from(size_t i) const {
    while (i < source_.size() &&
           (is_digit(source_[i]) || (source_[i] == '_' && i + 1 < source_.size() && is_digit(source_[i + 1]))))
      ++i;
    return i;
  }

  void number() {
    const size_t start = at_;
    size_t end = digits_from(start);
    bool real = false;
    const auto digit_at = [&](size_t i) { return i < source_.size() && is_digit(source_[i]); };
    if (end < source_.size() && source_[end] == '.' && digit_at(end + 1)) {
      real = true;
      end = digits_from(end + 1);
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      const size_t sign = end + 1 < source_.size() && (source_[end + 1] == '+' || source_[end + 1] == '-') ? 1 : 0;
      if (digit_at(end + 1 + sign)) {
        real = true;
        end = digits_from(end + 1 + sign);
      }
    }
    std::string digits;
    for (size_t i = start; i < end; ++i) {
      if (source_[i] != '_') digits.push_back(source_[i]);
    }
    push(real ? TokenKind::real : TokenKind::integer, digits);
    if (real) {
      tokens_.back().real = std::strtod(digits.c_str(), nullptr);
    } else {
      if (digits.size() > 18) fail("the number " + digits + " is too large");
      tokens_.back().integer = std::strtoll(digits.c_str(), nullptr, 10);
    }
    advance(end - start);
  }

  void quoted(char quote) {
    const int line = line_;
    std::string value;
    size_t i = at_ + 1;
    while (i < source_.size() && source_[i] != quote) {
      if (source_[i] == '\\' && i + 1 < source_.size())
        i = escape(i + 1, value);
      else
        value.push_back(source_[i++]);
    }
    if (i >= source_.size()) fail("a string is not closed");
    tokens_.push_back({TokenKind::string, std::move(value), line});
    advance(i + 1 - at_);
  }

  // Python's escapes; an unknown one keeps its backslash. Returns the offset after it.
  size_t escape(size_t i, std::string& value) {
    static constexpr std::string_view kFrom = "nrtabfv\\'\"";
    static constexpr std::string_view kTo = "\n\r\t\a\b\f\v\\'\"";
    const char c = source_[i];
    if (const size_t known = kFrom.find(c); known != std::string_view::npos) {
      value.push_back(kTo[known]);
      return i + 1;
    }
    if (c == '\n') return i + 1;
    if (c == 'x' || c == 'u' || c == 'U') return hexadecimal(i, c == 'x' ? 2 : c == 'u' ? 4 : 8, value);
    if (c >= '0' && c <= '7') {
      char32_t number = 0;
      const size_t end = i + 3;
      for (; i < end && i < source_.size() && source_[i] >= '0' && source_[i] <= '7'; ++i)
        number = number * 8 + static_cast<char32_t>(source_[i] - '0');
      append_utf8(value, number);
      return i;
    }
    if (c == 'N') fail("the escape \\N{…} is not supported");
    value.push_back('\\');
    value.push_back(c);
    return i + 1;
  }

  size_t hexadecimal(size_t i, size_t digits, std::string& value) {
    const std::string hex = source_.substr(i + 1, digits);
    if (hex.size() != digits || hex.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
      fail("a malformed escape in a string");
    const auto c = static_cast<char32_t>(std::strtoul(hex.c_str(), nullptr, 16));
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) fail("an escape in a string is not a character");
    append_utf8(value, c);
    return i + 1 + digits;
  }

  std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace lyceum::text::jinja
