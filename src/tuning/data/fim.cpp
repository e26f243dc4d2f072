#include "tuning/data/fim.h"

#include <algorithm>
#include <array>
#include <vector>

#include "engine/fim.h"

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

struct CodeLine {
  size_t start = 0, begin = 0, end = 0;   // of the line, of its text, and where that ends
};

// The lines that are not blank.
std::vector<CodeLine> code_lines(std::string_view text) {
  std::vector<CodeLine> lines;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const size_t begin = text.find_first_not_of(" \t\r", start);
    if (begin < end) lines.push_back({start, begin, text.find_last_not_of(" \t\r", end - 1) + 1});
    start = end + 1;
  }
  return lines;
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

FimParts cut_block(std::string_view text, Rng& rng) {
  constexpr uint64_t kLinesMax = 8;
  const std::vector<CodeLine> lines = code_lines(text);
  std::vector<size_t> inner;   // the first lines of deeper blocks
  for (size_t i = 1; i < lines.size(); ++i) {
    if (lines[i].begin - lines[i].start > lines[i - 1].begin - lines[i - 1].start) inner.push_back(i);
  }
  if (lines.empty()) return cut_lines(text, rng);
  const bool whole = !inner.empty() && rng.uniform() < 0.5;
  const size_t first = whole ? inner[rng.below(inner.size())] : rng.below(lines.size());
  const size_t lines_max = whole ? lines.size() : 1 + rng.below(kLinesMax);
  const size_t indent = lines[first].begin - lines[first].start;
  size_t after = first + 1;
  while (after < lines.size() && after - first < lines_max && lines[after].begin - lines[after].start >= indent) ++after;
  if (after == lines.size()) return cut_lines(text, rng);   // nobody knows where it ends
  return split(text, lines[first].begin, lines[after - 1].end);
}

Sample fim_sample(const text::Tokenizer& tokenizer, const FimTokens& tokens, const FimParts& parts, const FimForm& form) {
  Sample sample;
  if (form.begin >= 0) sample.ids.push_back(form.begin);
  sample.ids.push_back(tokens.prefix);
  if (!form.spm) append(sample, tokenizer, parts.prefix);
  sample.ids.push_back(tokens.suffix);
  append(sample, tokenizer, parts.suffix);
  sample.ids.push_back(tokens.middle);
  size_t middle_at = sample.ids.size();
  if (form.spm) {
    const size_t border = form.whole_tokens ? engine::whole_tokens_end(tokenizer, parts.prefix) : parts.prefix.size();
    append(sample, tokenizer, parts.prefix.substr(0, border));
    middle_at = sample.ids.size();
    append(sample, tokenizer, std::string(parts.prefix.substr(border)) + std::string(parts.middle));
  } else {
    append(sample, tokenizer, parts.middle);
  }
  if (form.end >= 0) sample.ids.push_back(form.end);
  sample.labelled.assign(sample.ids.size(), 1);
  if (form.middle_only) std::fill_n(sample.labelled.begin(), middle_at, uint8_t{0});
  return sample;
}

}  // namespace lyceum::tuning
