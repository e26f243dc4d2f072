// lexer.h: a template cut into text and tokens, with Jinja's white-space rules as transformers sets them (trim_blocks,
// lstrip_blocks, no trailing newline) already applied to the text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lyceum::text::jinja {

enum class TokenKind {
  data,
  variable_begin,
  variable_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  real,
  symbol,
  end
};

struct Token {
  TokenKind kind;
  std::string text;  // data and strings: their final value
  int line;
  int64_t integer = 0;
  double real = 0;
};

// Throws Error(invalid_argument) with the line of what is malformed.
std::vector<Token> tokenize(std::string_view source);

}  // namespace lyceum::text::jinja
