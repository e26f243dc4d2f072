// regex.h: the regular expressions inside tokenizer.json, run by PCRE2 (UTF, UCP, JIT) under match limits.
//
// Those files are written for Oniguruma's Ruby-like syntax. Where the two engines read the same characters differently
// (\s, \w, \b, \h, \v, {n,m}+, {,n}, (?m), script names) the pattern is translated; what cannot be translated exactly
// (class intersections, nested classes, \W inside a class, absent operators, isolated options) is Error(unsupported) by
// name.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/pieces.h"

namespace lyceum::text {

std::string translate_oniguruma(std::string_view pattern);
std::string escape_regex(std::string_view literal);
std::string replace_literal(std::string_view text, std::string_view from,
                            std::string_view to);  // REQUIRES: from not empty

class Regex {
 public:
  // Throws Error(unsupported | invalid_argument) naming the pattern.
  explicit Regex(std::string_view oniguruma_pattern);
  ~Regex();
  Regex(Regex&&) noexcept;

  // Appends matches and the text between them, covering the subject. An empty match right after another is dropped.
  // Any thread. Throws Error(unprocessable) when a limit is hit, and for a subject that is not valid UTF-8 (a decoder may make one from bytes).
  void find_all(std::string_view subject, std::vector<Match>& out) const;
  std::string replace_all(std::string_view subject, std::string_view content) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lyceum::text
