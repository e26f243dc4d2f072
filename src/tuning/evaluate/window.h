// window.h: cutting text to a number of tokens, at whole characters.
#pragma once

#include <string_view>

#include "text/tokenizer.h"

namespace lyceum::tuning {

size_t plain_tokens(const text::Tokenizer& tokenizer, std::string_view text);
// The last (first) part of text with at most `tokens` tokens; cut eighth by eighth, which comes near enough.
std::string_view tail_of(const text::Tokenizer& tokenizer, std::string_view text, size_t tokens);
std::string_view head_of(const text::Tokenizer& tokenizer, std::string_view text, size_t tokens);

}  // namespace lyceum::tuning
