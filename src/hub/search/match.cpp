#include "hub/search/match.h"

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace lyceum::hub::search {
namespace {

constexpr size_t kTermsMax = 32;

bool is_word_char(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || static_cast<signed char>(c) < 0; }

}  // namespace

Matcher::Matcher(const Shelf& shelf, const Query& query) : shelf_(shelf), query_(query), candidates_(shelf.rows()) {
  if (query.substrings.size() > kTermsMax || query.tags.size() > kTermsMax) throw Error(Code::invalid_argument, "a search may have 32 terms");
  for (const std::string& text : query.substrings) substrings_.push_back(lower(text));
  for (const std::string& tag : query.tags) resolve_tag(tag);
  for (const auto& tags : query.tags_any) resolve_any(tags);
  if (!query.library.empty()) resolve_tag(query.library);
  if (!query.pipeline_tag.empty()) {
    const auto tag = shelf.tag_names().find(query.pipeline_tag);
    impossible_ = impossible_ || !tag;
    task_ = tag.value_or(Shelf::kNone);
    if (tag) lists_.push_back({&shelf.rows_with_tag(*tag)});
  }
  if (!query.author.empty()) {
    const auto owner = shelf.owner_names().find(query.author);
    impossible_ = impossible_ || !owner;
    owner_ = owner.value_or(Shelf::kNone);
    if (owner) lists_.push_back({&shelf.rows_of_owner(*owner)});
  }
  if (!impossible_) lay_over();
}

size_t Matcher::count_of(const Either& lists) {
  size_t count = 0;
  for (const Postings* one : lists) count += one->count();
  return count;
}

std::vector<uint64_t> Matcher::bits_of(const Either& lists) const {
  std::vector<uint64_t> bits(shelf_.rows() / 64 + 1);
  for (const Postings* one : lists) {
    one->for_each([&](uint32_t row) {
      bits[row / 64] |= uint64_t{1} << (row % 64);
      return true;
    });
  }
  return bits;
}

void Matcher::lay_over() {
  constexpr size_t kFew = 5'000;   // rows that are cheaper to test one by one
  if (lists_.empty()) return;
  std::sort(lists_.begin(), lists_.end(), [](const Either& a, const Either& b) { return count_of(a) < count_of(b); });
  candidates_ = count_of(lists_[0]);
  if (candidates_ <= kFew && lists_[0].size() == 1) return;
  bits_ = bits_of(lists_[0]);
  for (size_t i = 1; i < lists_.size(); ++i) {
    const std::vector<uint64_t> more = bits_of(lists_[i]);
    for (size_t at = 0; at < bits_.size(); ++at) bits_[at] &= more[at];
  }
  candidates_ = 0;
  for (const uint64_t word : bits_) candidates_ += static_cast<size_t>(std::popcount(word));
}

bool Matcher::matches_all() const {
  return !impossible_ && lists_.empty() && tags_.empty() && substrings_.empty() && !query_.gated && !query_.runnable && !query_.linked && query_.parameters_min == 0 && query_.parameters_max == UINT64_MAX;
}

void Matcher::resolve_tag(const std::string& wanted) {
  std::vector<std::string> either{wanted};
  if (wanted.starts_with("language:")) either.push_back(wanted.substr(9));  // models carry the bare code
  resolve_any(either);
}

void Matcher::resolve_any(const std::vector<std::string>& texts) {
  std::vector<uint32_t> either;
  for (const std::string& text : texts) {
    if (const auto tag = shelf_.tag_names().find(text); tag && shelf_.rows_with_tag(*tag).count() > 0) either.push_back(*tag);
  }
  if (either.empty()) impossible_ = true;
  Either lists;
  for (const uint32_t tag : either) lists.push_back(&shelf_.rows_with_tag(tag));
  lists_.push_back(std::move(lists));
  tags_.push_back(std::move(either));
}

bool Matcher::visible(uint32_t row) const {
  if (shelf_.dead(row) || shelf_.flag(row, Shelf::kDisabled)) return false;
  if (!shelf_.flag(row, Shelf::kPrivate) || query_.viewer.everything) return true;
  const Viewer& viewer = query_.viewer;
  return std::binary_search(viewer.owners.begin(), viewer.owners.end(), shelf_.owner_id(row)) ||
         std::binary_search(viewer.repos.begin(), viewer.repos.end(), shelf_.id(row));
}

bool Matcher::accepts(uint32_t row) const {
  if (!bits_.empty() && (bits_[row / 64] >> (row % 64) & 1) == 0) return false;
  if (!visible(row)) return false;
  if (owner_ != Shelf::kNone && shelf_.owner(row) != owner_) return false;
  if (task_ != Shelf::kNone && shelf_.task(row) != task_) return false;
  if (query_.gated && shelf_.flag(row, Shelf::kGated) != *query_.gated) return false;
  if (query_.linked && !shelf_.flag(row, Shelf::kLinked)) return false;
  if (query_.runnable && shelf_.flag(row, Shelf::kRunnable) != *query_.runnable) return false;
  if (query_.parameters_min > 0 || query_.parameters_max < UINT64_MAX) {
    const uint64_t count = shelf_.parameters(row);
    if (count == 0 || count < query_.parameters_min || count > query_.parameters_max) return false;
  }
  for (const auto& either : tags_) {
    if (bits_.empty() && std::none_of(either.begin(), either.end(), [&](uint32_t tag) { return shelf_.has_tag(row, tag); })) return false;
  }
  return std::all_of(substrings_.begin(), substrings_.end(), [&](const std::string& text) { return shelf_.name(row).find(text) != std::string_view::npos; });
}

// "ama-3.1" can only be in names with a word ending in "ama", the word "3" and a word beginning with "1".
std::vector<Matcher::Piece> Matcher::pieces_of(const std::string& text) {
  std::vector<Piece> out;
  for (size_t begin = 0; begin < text.size();) {
    if (!is_word_char(text[begin])) {
      ++begin;
      continue;
    }
    size_t end = begin + 1;
    while (end < text.size() && is_word_char(text[end])) ++end;
    const bool open_left = begin == 0, open_right = end == text.size();
    const auto place = open_left && open_right ? WordList::Place::inside : open_left ? WordList::Place::at_end : open_right ? WordList::Place::at_start : WordList::Place::whole;
    if (end - begin <= kWordMax) out.push_back({text.substr(begin, end - begin), place});
    begin = end;
  }
  return out;
}

std::vector<uint64_t> Matcher::rows_by_words() const {
  Piece longest{"", WordList::Place::inside};
  for (const std::string& text : substrings_) {
    for (Piece& piece : pieces_of(text)) {
      if (piece.text.size() > longest.text.size()) longest = std::move(piece);
    }
  }
  if (longest.text.empty()) return {};
  const auto words = shelf_.words().find_piece(longest.text, longest.place);
  size_t total = 0;
  for (const uint32_t word : words) total += shelf_.rows_named(word).count();
  if (total > shelf_.rows() / 3 && shelf_.rows() > 1000) return {};
  std::vector<uint64_t> bits(shelf_.rows() / 64 + 1);
  for (const uint32_t word : words) {
    shelf_.rows_named(word).for_each([&](uint32_t row) {
      bits[row / 64] |= uint64_t{1} << (row % 64);
      return true;
    });
  }
  return bits;
}

void Matcher::gather(const std::function<bool(uint32_t)>& visit) const {
  if (impossible_) return;
  const auto test = [&](uint32_t row) { return !accepts(row) || visit(row); };
  if (bits_.empty() && !lists_.empty()) return lists_[0][0]->for_each(test);
  const auto by_words = bits_.empty() && !substrings_.empty() ? rows_by_words() : std::vector<uint64_t>();
  const auto& bits = bits_.empty() ? by_words : bits_;
  if (bits.empty()) {
    for (uint32_t row = 0; row < shelf_.rows() && test(row); ++row) {
    }
    return;
  }
  for (size_t i = 0; i < bits.size(); ++i) {
    for (uint64_t left = bits[i]; left != 0; left &= left - 1) {
      if (!test(static_cast<uint32_t>(i * 64 + static_cast<size_t>(std::countr_zero(left))))) return;
    }
  }
}

}  // namespace lyceum::hub::search
