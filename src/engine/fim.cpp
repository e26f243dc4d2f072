#include "engine/fim.h"

#include <algorithm>
#include <array>

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

std::optional<std::vector<int32_t>> find_fim_prompt(const text::Tokenizer& tokenizer, int32_t bos_id, std::string_view prefix,
                                                    std::string_view suffix, std::vector<int32_t>& stop_ids) {
  for (const FimFamily& family : kFamilies) {
    const auto before = tokenizer.find_id(family.before), between = tokenizer.find_id(family.between), after = tokenizer.find_id(family.after);
    if (!before || !between || !after) continue;
    // The caller's text is plain text: a "<|fim_middle|>" inside it must not become a token.
    const text::EncodeOptions plain{false, false};
    std::vector<int32_t> out;
    const std::vector<int32_t> lead = tokenizer.encode("");
    if (bos_id >= 0 && !lead.empty() && lead.front() == bos_id) out.push_back(bos_id);
    out.push_back(*before);
    append(out, tokenizer.encode(prefix, plain));
    out.push_back(*between);
    append(out, family.sentence_piece ? encode_without_space(tokenizer, suffix, plain) : tokenizer.encode(suffix, plain));
    out.push_back(*after);
    stop_ids.insert(stop_ids.end(), {*before, *between, *after});
    for (const std::string_view name : kStopTokens) {
      if (const auto id = tokenizer.find_id(name)) stop_ids.push_back(*id);
    }
    return out;
  }
  return std::nullopt;
}

}  // namespace lyceum::engine
