#include "text/added_tokens.h"

#include <algorithm>

#include "base/error.h"
#include "text/unicode.h"

namespace lyceum::text {
namespace {

constexpr size_t kAddedTokensMax = 1'000'000;
constexpr size_t kTokenBytesMax = 4096;

size_t previous_character(std::string_view text, size_t end) {
  do --end;
  while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80);
  return end;
}

bool word_before(std::string_view text, size_t end) {
  if (end == 0) return false;
  size_t at = previous_character(text, end);
  return is_word(next_code_point(text, at));
}
bool word_after(std::string_view text, size_t begin) {
  return begin < text.size() && is_word(next_code_point(text, begin));
}

size_t space_start(std::string_view text, size_t end) {
  while (end > 0) {
    const size_t begin = previous_character(text, end);
    size_t at = begin;
    if (!is_white_space(next_code_point(text, at))) break;
    end = begin;
  }
  return end;
}
size_t space_end(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    size_t at = begin;
    if (!is_white_space(next_code_point(text, at))) break;
    begin = at;
  }
  return begin;
}

bool looks_like_markup(std::string_view content) {
  return content.size() > 2 &&
         ((content.front() == '<' && content.back() == '>') || (content.front() == '[' && content.back() == ']'));
}

}  // namespace

void TokenTrie::insert(std::string_view pattern, size_t value) {
  if (pattern.empty()) return;
  first_bytes_.set(static_cast<unsigned char>(pattern.front()));
  uint32_t node = 0;
  for (const char c : pattern) {
    const uint64_t edge = static_cast<uint64_t>(node) * 256 + static_cast<unsigned char>(c);
    const auto [entry, added] = edges_.try_emplace(edge, nodes_);
    if (added) ++nodes_;
    node = entry->second;
  }
  values_.try_emplace(node, value);
}

std::optional<TokenTrie::Hit> TokenTrie::find_longest(std::string_view text, size_t at) const {
  if (!first_bytes_.test(static_cast<unsigned char>(text[at]))) return std::nullopt;
  std::optional<Hit> best;
  uint32_t node = 0;
  for (size_t i = at; i < text.size(); ++i) {
    const auto edge = edges_.find(static_cast<uint64_t>(node) * 256 + static_cast<unsigned char>(text[i]));
    if (edge == edges_.end()) break;
    node = edge->second;
    if (const auto value = values_.find(node); value != values_.end()) best = Hit{i + 1 - at, value->second};
  }
  return best;
}

AddedTokens::AddedTokens(const json::array* specs, const Vocabulary& vocabulary, const Normalizer* normalizer) {
  next_id_ = static_cast<int32_t>(vocabulary.count());
  if (specs == nullptr) return;
  if (specs->size() > kAddedTokensMax) throw Error(Code::too_large, "the tokenizer has over a million added tokens");
  for (const json::value& value : *specs) {
    const json::object& spec = get_object(value, "added_tokens");
    AddedToken token;
    token.content = get_string(spec, "content");
    if (token.content.size() > kTokenBytesMax)
      throw Error(Code::too_large, "an added token of the tokenizer is over 4096 bytes");
    token.special = find_bool(spec, "special").value_or(false);
    token.single_word = find_bool(spec, "single_word").value_or(false);
    token.lstrip = find_bool(spec, "lstrip").value_or(false);
    token.rstrip = find_bool(spec, "rstrip").value_or(false);
    token.normalized = find_bool(spec, "normalized").value_or(!token.special);
    token.control = token.special || looks_like_markup(token.content);
    const int64_t file_id = get_int(spec, "id");
    if (file_id < 0 || file_id > kTokenIdMax)
      throw Error(Code::invalid_argument, "added token '" + token.content + "' has an id outside [0, 2^24)");
    if (!token.content.empty()) add(std::move(token), static_cast<int32_t>(file_id), vocabulary);
  }
  normalized_.resize(tokens_.size());
  for (size_t i = 0; i < tokens_.size(); ++i) {
    normalized_[i] = tokens_[i].content;
    if (tokens_[i].normalized && normalizer != nullptr) normalizer->apply(normalized_[i]);
    (tokens_[i].normalized ? normalized_trie_ : raw_trie_).insert(normalized_[i], i);
  }
}

void AddedTokens::add(AddedToken token, int32_t file_id, const Vocabulary& vocabulary) {
  if (const auto known = by_content_.find(token.content); known != by_content_.end()) {
    token.id = tokens_[known->second].id;
    tokens_[known->second] = std::move(token);
    return;
  }
  if (const auto id = vocabulary.find(token.content)) {
    token.id = *id;
  } else {
    token.id = next_id_++;
    if (token.id != file_id) {
      throw Error(Code::unprocessable,
                  "added token '" + token.content + "' has id " + std::to_string(file_id) + " in the file, but " +
                      std::to_string(token.id) +
                      " is the next free one: the ids have a hole, so the model's would not agree");
    }
  }
  id_end_ = std::max(id_end_, token.id + 1);
  next_id_ = std::max(next_id_, static_cast<int32_t>(vocabulary.count()));
  by_id_[token.id] = tokens_.size();
  by_content_[token.content] = tokens_.size();
  tokens_.push_back(std::move(token));
}

bool AddedTokens::applies(const AddedToken& token, std::string_view text, size_t begin, size_t end) const {
  return !token.single_word || (!word_before(text, begin) && !word_after(text, end));
}

void AddedTokens::split(std::string_view text, bool normalized, bool parse_control, std::vector<Part>& out) const {
  const TokenTrie& trie = normalized ? normalized_trie_ : raw_trie_;
  size_t covered = 0;
  for (size_t at = 0; !trie.empty() && at < text.size();) {
    const auto hit = trie.find_longest(text, at);
    if (!hit) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = at + hit->length;
    at = end;
    const AddedToken& token = tokens_[hit->value];
    if ((token.control && !parse_control) || !applies(token, text, begin, end)) continue;
    if (token.lstrip) begin = std::max(space_start(text, begin), covered);
    if (token.rstrip) end = space_end(text, end);
    if (covered < begin) out.push_back({covered, begin, nullptr});
    out.push_back({begin, end, &token});
    covered = end;
  }
  if (covered < text.size()) out.push_back({covered, text.size(), nullptr});
}

const AddedToken* AddedTokens::find(int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &tokens_[found->second];
}

const AddedToken* AddedTokens::find(std::string_view content) const {
  const auto found = by_content_.find(std::string(content));
  return found == by_content_.end() ? nullptr : &tokens_[found->second];
}

std::string_view AddedTokens::decoded_text(const AddedToken& token) const {
  return normalized_[static_cast<size_t>(&token - tokens_.data())];
}

bool AddedTokens::is_special(int32_t id) const {
  const AddedToken* token = find(id);
  return token != nullptr && token->special;
}

}  // namespace lyceum::text
