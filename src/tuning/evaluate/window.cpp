#include "tuning/evaluate/window.h"

#include <algorithm>

namespace lyceum::tuning {

namespace {

bool is_continuation(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

size_t plain_tokens(const text::Tokenizer& tokenizer, std::string_view text) { return tokenizer.encode(text, {.add_special_tokens = false, .parse_special = false}).size(); }

std::string_view tail_of(const text::Tokenizer& tokenizer, std::string_view text, size_t tokens) {
  text = text.substr(text.size() - std::min(text.size(), tokens * 8));
  while (plain_tokens(tokenizer, text) > tokens) text = text.substr(text.size() / 8 + 1);
  while (!text.empty() && is_continuation(text[0])) text.remove_prefix(1);
  return text;
}

std::string_view head_of(const text::Tokenizer& tokenizer, std::string_view text, size_t tokens) {
  const std::string_view whole = text;
  text = text.substr(0, tokens * 8);
  while (plain_tokens(tokenizer, text) > tokens) text = text.substr(0, text.size() - text.size() / 8 - 1);
  size_t size = text.size();
  while (size > 0 && size < whole.size() && is_continuation(whole[size])) --size;
  return whole.substr(0, size);
}

}  // namespace lyceum::tuning
