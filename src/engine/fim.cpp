#include "engine/fim.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>

namespace lyceum::engine {

namespace {

// Prompt: before, prefix, between, suffix, after.
struct FimFamily {
  std::string_view before, between, after;
  bool sentence_piece;   // the tokenizer puts a space before a text; Code Llama's suffix must not get one
};
constexpr std::array kFamilies = {
    FimFamily{"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", false},    // Qwen2.5-Coder, CodeGemma, Lyceum's own
    FimFamily{"<fim_prefix>", "<fim_suffix>", "<fim_middle>", false},          // StarCoder, StarCoder2, Granite
    FimFamily{"<fim-prefix>", "<fim-suffix>", "<fim-middle>", false},          // SantaCoder
    FimFamily{"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>", false},    // DeepSeek-Coder
    FimFamily{"▁<PRE>", "▁<SUF>", "▁<MID>", true},                             // Code Llama
    FimFamily{"<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>", false}, // GLM
};

constexpr std::array<std::string_view, 14> kStopTokens = {
    "<|endoftext|>", "<|fim_pad|>", "<|file_sep|>", "<|repo_name|>", "<|file_separator|>", "<fim_pad>", "<file_sep>",
    "<repo_name>", "<fim-pad>", "<｜end▁of▁sentence｜>", "▁<EOT>", "<|EOT|>", "</s>", "<|end_of_text|>"};

bool is_word(char c) noexcept { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || static_cast<unsigned char>(c) >= 0x80; }

void append(std::vector<int32_t>& out, const std::vector<int32_t>& more) { out.insert(out.end(), more.begin(), more.end()); }

// Code Llama's way: encode behind a character that stands alone in the vocabulary, then drop what that gave.
std::vector<int32_t> encode_without_space(const text::Tokenizer& tokenizer, std::string_view text, const text::EncodeOptions& plain) {
  const std::vector<int32_t> mark = tokenizer.encode("☺", plain);
  std::vector<int32_t> ids = tokenizer.encode("☺" + std::string(text), plain);
  if (ids.size() < mark.size() || !std::equal(mark.begin(), mark.end(), ids.begin())) return tokenizer.encode(text, plain);
  ids.erase(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(mark.size()));
  return ids;
}

}  // namespace

std::string_view fim_order_name(FimOrder order) noexcept { return order == FimOrder::suffix_first ? "suffix_first" : "prefix_first"; }

std::optional<FimOrder> find_fim_order(std::string_view name) noexcept {
  for (const FimOrder order : {FimOrder::prefix_first, FimOrder::suffix_first}) {
    if (name == fim_order_name(order)) return order;
  }
  return std::nullopt;
}

std::optional<FimTokens> find_fim_tokens(const text::Tokenizer& tokenizer) {
  for (const FimFamily& family : kFamilies) {
    const auto before = tokenizer.find_id(family.before), between = tokenizer.find_id(family.between), after = tokenizer.find_id(family.after);
    if (before && between && after) return FimTokens{*before, *between, *after};
  }
  return std::nullopt;
}

size_t whole_tokens_end(const text::Tokenizer& tokenizer, std::string_view text) {
  if (text.empty()) return 0;
  if (text.back() == ' ' || text.back() == '\t') return text.size() - 1;
  if (!is_word(text.back())) return text.size();
  const std::vector<int32_t> ids = tokenizer.encode(text, {false, false});
  if (ids.empty()) return text.size();
  const std::string last = tokenizer.decode(std::span(ids).last(1), false);
  const bool whole = !last.empty() && text.ends_with(last) && last.find('\n') == std::string::npos;   // not a part of a character
  return whole ? text.size() - last.size() : text.size();
}

std::optional<FimPrompt> find_fim_prompt(const text::Tokenizer& tokenizer, int32_t bos_id, const FimOptions& options, std::string_view prefix,
                                         std::string_view suffix, std::vector<int32_t>& stop_ids) {
  for (const FimFamily& family : kFamilies) {
    const auto before = tokenizer.find_id(family.before), between = tokenizer.find_id(family.between), after = tokenizer.find_id(family.after);
    if (!before || !between || !after) continue;
    // The caller's text is plain text: a "<|fim_middle|>" inside it must not become a token.
    const text::EncodeOptions plain{false, false};
    const bool suffix_first = options.order == FimOrder::suffix_first;
    FimPrompt out;
    const std::vector<int32_t> lead = tokenizer.encode("");
    if (bos_id >= 0 && !lead.empty() && lead.front() == bos_id) out.ids.push_back(bos_id);
    out.ids.push_back(*before);
    if (!suffix_first) append(out.ids, tokenizer.encode(prefix, plain));
    out.ids.push_back(*between);
    append(out.ids, family.sentence_piece ? encode_without_space(tokenizer, suffix, plain) : tokenizer.encode(suffix, plain));
    out.ids.push_back(*after);
    if (suffix_first) {
      const size_t end = options.whole_tokens ? whole_tokens_end(tokenizer, prefix) : prefix.size();
      append(out.ids, tokenizer.encode(prefix.substr(0, end), plain));
      out.given = prefix.substr(end);
    }
    stop_ids.insert(stop_ids.end(), {*before, *between, *after});
    for (const std::string_view name : kStopTokens) {
      if (const auto id = tokenizer.find_id(name)) stop_ids.push_back(*id);
    }
    return out;
  }
  return std::nullopt;
}

}  // namespace lyceum::engine
