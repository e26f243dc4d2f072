// Oniguruma's syntax to PCRE2's. One pass over the pattern that remembers where the last atom began in the output,
// because "x{1,3}+" (a repeated repeat in Ruby's syntax, a possessive one in Perl's) has to be wrapped as
// "(?:x{1,3})+".
#include <array>
#include <optional>

#include "base/error.h"
#include "text/regex.h"

namespace lyceum::text {
namespace {

constexpr std::string_view kWordClass = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";

class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  std::string run() {
    while (at_ < in_.size()) step();
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(Code::unsupported, "regular expression '" + std::string(in_) + "' of the tokenizer uses " + what +
                                       ", which is not supported");
  }
  char peek(size_t ahead = 0) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }
  bool starts_with(std::string_view text) const { return in_.substr(at_).starts_with(text); }
  void begin_atom() { atom_ = out_.size(); }

  void step() {
    const char c = peek();
    switch (c) {
      case '\\':
        begin_atom();
        escape(false);
        return;
      case '[':
        begin_atom();
        character_class();
        return;
      case '(':
        group();
        return;
      case ')':
        if (groups_.empty()) refuse("an unmatched ')'");
        atom_ = groups_.back();
        groups_.pop_back();
        take();
        return;
      case '{':
        interval();
        return;
      case '*':
      case '+':
      case '?':
        simple_quantifier();
        return;
      case '|':
        take();
        return;
      default:
        if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) begin_atom();
        take();
    }
  }

  void take(size_t count = 1) {
    out_ += in_.substr(at_, count);
    at_ += count;
  }

  void simple_quantifier() {
    take();
    if (peek() == '?' || peek() == '+') take();
  }

  // {n} {n,} {n,m} {,m}; anything else between braces is literal text in both engines.
  void interval() {
    const size_t close = in_.find('}', at_);
    const std::string_view body =
        close == std::string_view::npos ? std::string_view{} : in_.substr(at_ + 1, close - at_ - 1);
    const bool is_interval = !body.empty() && body != "," &&
                             body.find_first_not_of("0123456789,") == std::string_view::npos &&
                             body.find(',') == body.rfind(',');
    if (!is_interval || !atom_) {
      begin_atom();
      out_ += "\\{";
      ++at_;
      return;
    }
    out_ += body.front() == ',' ? "{0" + std::string(body) + "}" : "{" + std::string(body) + "}";
    at_ = close + 1;
    if (peek() == '+') {
      out_.insert(*atom_, "(?:");
      out_ += ")+";
      ++at_;
    } else if (peek() == '?') {
      if (body.find(',') == std::string_view::npos) refuse("the quantifier {n}?");
      take();
    }
  }

  void group() {
    groups_.push_back(out_.size());
    if (!starts_with("(?")) {
      take();
      return;
    }
    static constexpr std::array<std::string_view, 7> kSame = {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!", "(?#"};
    for (const std::string_view prefix : kSame) {
      if (starts_with(prefix)) {
        if (prefix == "(?#") refuse("a comment group");
        take(prefix.size());
        return;
      }
    }
    if (starts_with("(?<")) {
      take(3);
      return;
    }
    options();
  }

  // (?i:…) maps letter by letter (Ruby's m is Perl's s). (?i) alone reaches to the end of the enclosing group and
  // across "|" in Ruby; that is the same in Perl only at the very start.
  void options() {
    const size_t start = at_;
    std::string flags;
    at_ += 2;
    for (; at_ < in_.size() && in_[at_] != ':' && in_[at_] != ')'; ++at_) {
      const char c = in_[at_];
      if (c != 'i' && c != 'm' && c != 'x' && c != '-')
        refuse("the group '" + std::string(in_.substr(start, at_ - start + 1)) + "'");
      if (c == 'x') refuse("extended mode (?x)");
      flags.push_back(c == 'm' ? 's' : c);
    }
    if (peek() == ')' && start != 0) refuse("an isolated option group in the middle");
    if (at_ >= in_.size()) refuse("an unfinished group");
    out_ += "(?" + flags;
    if (peek() == ')') {
      groups_.pop_back();
      atom_.reset();
    }
    take();
  }

  void escape(bool in_class) {
    const char c = peek(1);
    switch (c) {
      case 's':
        emit(R"(\p{White_Space})");
        return;
      case 'S':
        emit(R"(\P{White_Space})");
        return;
      case 'w':
        emit(in_class ? std::string(kWordClass) : "[" + std::string(kWordClass) + "]");
        return;
      case 'W':
        if (in_class) refuse("\\W inside a character class");
        emit("[^" + std::string(kWordClass) + "]");
        return;
      case 'd':
        emit(R"(\p{Nd})");
        return;
      case 'D':
        emit(R"(\P{Nd})");
        return;
      case 'h':
        emit(in_class ? "0-9a-fA-F" : "[0-9a-fA-F]");
        return;
      case 'v':
        emit(R"(\x{0B})");
        return;
      case 'p':
      case 'P':
        property();
        return;
      case 'b':
      case 'B':
        if (in_class)
          emit(R"(\x{08})");
        else
          word_boundary(c == 'b');
        return;
      case 'u':
        hexadecimal(4);
        return;
      case 'x':
        if (peek(2) == '{') {
          const size_t close = in_.find('}', at_);
          if (close == std::string_view::npos) refuse("an unfinished \\x{");
          take(close + 1 - at_);
        } else {
          hexadecimal(2);
        }
        return;
      case '\0':
        refuse("a trailing backslash");
      default:
        break;
    }
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    static constexpr std::string_view kSameLetters = "nrtfaAzZGRXK";
    if (letter && kSameLetters.find(c) == std::string_view::npos) refuse(std::string("\\") + c);
    take(2);
  }

  void emit(std::string_view text) {
    out_ += text;
    at_ += 2;
  }

  void word_boundary(bool at_boundary) {
    const std::string word = "[" + std::string(kWordClass) + "]";
    emit(at_boundary ? "(?:(?<=" + word + ")(?!" + word + ")|(?<!" + word + ")(?=" + word + "))"
                     : "(?:(?<=" + word + ")(?=" + word + ")|(?<!" + word + ")(?!" + word + "))");
  }

  void hexadecimal(size_t digits) {
    const std::string_view hex = in_.substr(at_ + 2, digits);
    if (hex.size() != digits || hex.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
      refuse("a malformed \\x or \\u");
    if (digits == 2 && hex.front() >= '8') refuse("the raw byte \\x" + std::string(hex));
    out_ += "\\x{" + std::string(hex) + "}";
    at_ += 2 + digits;
  }

  // \p{Han} means the property Script in Oniguruma, Script_Extensions in PCRE2: say sc: explicitly.
  void property() {
    const size_t close = in_.find('}', at_);
    if (peek(2) != '{' || close == std::string_view::npos) refuse("a property without braces");
    std::string name(in_.substr(at_ + 3, close - at_ - 3));
    bool negated = peek(1) == 'P';
    if (name.starts_with('^')) {
      negated = !negated;
      name.erase(0, 1);
    }
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kNames = {
        {{"Letter", "L"},
         {"Mark", "M"},
         {"Number", "N"},
         {"Punctuation", "P"},
         {"Symbol", "S"},
         {"Separator", "Z"},
         {"Other", "C"},
         {"Alphabetic", "Alphabetic"},
         {"White_Space", "White_Space"},
         {"Emoji", "Emoji"},
         {"Space", "White_Space"},
         {"Extended_Pictographic", "Extended_Pictographic"}}};
    std::string mapped = name.size() <= 2 ? name : "sc:" + name;
    for (const auto& [from, to] : kNames) {
      if (name == from) mapped = to;
    }
    out_ += (negated ? "\\P{" : "\\p{") + mapped + "}";
    at_ = close + 1;
  }

  void character_class() {
    take();
    if (peek() == '^') take();
    if (peek() == ']') {
      out_ += "\\]";
      ++at_;
    }
    while (at_ < in_.size() && peek() != ']') {
      if (peek() == '\\') {
        escape(true);
      } else if (starts_with("[:")) {
        const size_t close = in_.find(":]", at_);
        if (close == std::string_view::npos) refuse("an unfinished [: class");
        take(close + 2 - at_);
      } else if (peek() == '[') {
        refuse("a character class inside another");
      } else if (starts_with("&&")) {
        refuse("an intersection of character classes");
      } else {
        take();
      }
    }
    if (at_ >= in_.size()) refuse("an unfinished character class");
    take();
  }

  std::string_view in_;
  size_t at_ = 0;
  std::string out_;
  std::optional<size_t> atom_;
  std::vector<size_t> groups_;
};

}  // namespace

std::string translate_oniguruma(std::string_view pattern) { return Translator(pattern).run(); }

}  // namespace lyceum::text
