#include "tuning/data/fim.h"

#include <algorithm>
#include <array>

namespace lyceum::tuning {

namespace {

struct FimNames {
  std::string_view prefix, suffix, middle;
};

constexpr std::array<FimNames, 6> kFimNames = {{
    {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},
    {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},
    {"<fim-prefix>", "<fim-suffix>", "<fim-middle>"},
    {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"},
    {"▁<PRE>", "▁<SUF>", "▁<MID>"},
    {"<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"},
}};

constexpr std::array<std::string_view, 5> kEndNames = {"<|endoftext|>", "<｜end▁of▁sentence｜>", "<|end_of_text|>", "<eos>", "</s>"};

bool is_continuation(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// The byte offset of the character border at or before `offset`.
size_t border_before(std::string_view text, size_t offset) noexcept {
  while (offset > 0 && offset < text.size() && is_continuation(text[offset])) --offset;
  return offset;
}

size_t character_offset(std::string_view text, size_t character) noexcept {
  size_t offset = 0;
  while (character > 0 && offset < text.size()) {
    ++offset;
    while (offset < text.size() && is_continuation(text[offset])) ++offset;
    --character;
  }
  return offset;
}

size_t character_count(std::string_view text) noexcept {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

FimParts split(std::string_view text, size_t first, size_t second) {
  return {text.substr(0, first), text.substr(first, second - first), text.substr(second)};
}

void append(Sample& sample, const text::Tokenizer& tokenizer, std::string_view text) {
  if (text.empty()) return;
  const auto ids = tokenizer.encode(text, {.add_special_tokens = false, .parse_special = false});
  sample.ids.insert(sample.ids.end(), ids.begin(), ids.end());
}

}  // namespace

std::optional<FimTokens> find_fim_tokens(const text::Tokenizer& tokenizer) {
  for (const FimNames& names : kFimNames) {
    const auto prefix = tokenizer.find_id(names.prefix);
    const auto suffix = tokenizer.find_id(names.suffix);
    const auto middle = tokenizer.find_id(names.middle);
    if (prefix && suffix && middle) return FimTokens{*prefix, *suffix, *middle};
  }
  return std::nullopt;
}

int32_t document_end_token(const text::Tokenizer& tokenizer, int32_t fallback) {
  for (const std::string_view name : kEndNames) {
    if (const auto id = tokenizer.find_id(name)) return *id;
  }
  return fallback;
}

int32_t document_begin_token(const text::Tokenizer& tokenizer) {
  const auto ids = tokenizer.encode("", {.add_special_tokens = true, .parse_special = false});
  return ids.size() == 1 ? ids[0] : -1;
}

FimParts cut_uniform(std::string_view text, Rng& rng) {
  const size_t characters = character_count(text);
  const size_t a = rng.below(characters + 1);
  const size_t b = rng.below(characters + 1);
  return split(text, character_offset(text, std::min(a, b)), character_offset(text, std::max(a, b)));
}

FimParts cut_lines(std::string_view text, Rng& rng) {
  constexpr uint64_t kLinesMax = 6;
  const size_t first = border_before(text, rng.below(text.size() + 1));
  size_t second = first;
  size_t from = first;
  for (uint64_t lines = 1 + rng.below(kLinesMax); lines > 0 && second < text.size(); --lines) {
    second = std::min(text.find('\n', from), text.size());
    from = second + 1;
  }
  return split(text, first, second);
}

Sample fim_sample(const text::Tokenizer& tokenizer, const FimTokens& tokens, const FimParts& parts, bool spm, int32_t begin, int32_t end) {
  Sample sample;
  if (begin >= 0) sample.ids.push_back(begin);
  sample.ids.push_back(tokens.prefix);
  if (!spm) append(sample, tokenizer, parts.prefix);
  sample.ids.push_back(tokens.suffix);
  append(sample, tokenizer, parts.suffix);
  sample.ids.push_back(tokens.middle);
  if (spm) append(sample, tokenizer, parts.prefix);
  append(sample, tokenizer, parts.middle);
  if (end >= 0) sample.ids.push_back(end);
  sample.labelled.assign(sample.ids.size(), 1);
  return sample;
}

}  // namespace lyceum::tuning
