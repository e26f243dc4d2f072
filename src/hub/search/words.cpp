#include "hub/search/words.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <set>

namespace lyceum::hub::search {
namespace {

constexpr size_t kTypedMax = 32;

constexpr std::string_view kCommonWords[] = {"all", "and", "any", "are", "but", "can", "for", "from", "has", "have", "how", "http", "https", "into", "its", "may", "more", "not", "one", "our", "out", "see", "should", "such", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "use", "used", "using", "was", "were", "when", "where", "which", "will", "with", "www", "you", "your"};

bool says_something(std::string_view word) {
  if (word.size() < 3 || word.size() > 24) return false;
  if (std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; })) return false;
  return !std::binary_search(std::begin(kCommonWords), std::end(kCommonWords), word);
}

std::string_view without_front_matter(std::string_view text) {
  if (!text.starts_with("---")) return text;
  const size_t end = text.find("\n---", 3);
  return end == std::string_view::npos ? std::string_view() : text.substr(end + 4);
}

size_t shared_letters(std::string_view a, std::string_view b) {
  size_t count = 0;
  while (count < a.size() && count < b.size() && a[count] == b[count]) ++count;
  return count;
}

// One row of the table per letter of the word; column j is the distance to the first j letters typed.
class DistanceTable {
 public:
  DistanceTable(std::string_view typed, unsigned limit) : typed_(typed), limit_(limit) {
    for (size_t j = 0; j <= typed.size(); ++j) rows_[0][j] = static_cast<uint8_t>(j);
  }

  // Row `depth` (letters of `word` so far); the best value in it.
  unsigned extend(std::string_view word, size_t depth) {
    const auto& above = rows_[depth - 1];
    auto& row = rows_[depth];
    row[0] = static_cast<uint8_t>(depth);
    unsigned best = row[0];
    for (size_t j = 1; j <= typed_.size(); ++j) {
      const bool same = word[depth - 1] == typed_[j - 1];
      unsigned value = std::min({above[j] + 1u, row[j - 1] + 1u, above[j - 1] + (same ? 0u : 1u)});
      if (depth > 1 && j > 1 && word[depth - 1] == typed_[j - 2] && word[depth - 2] == typed_[j - 1]) value = std::min(value, rows_[depth - 2][j - 2] + 1u);
      row[j] = static_cast<uint8_t>(std::min(value, 255u));
      best = std::min<unsigned>(best, row[j]);
    }
    return best;
  }
  unsigned distance(size_t depth) const { return rows_[depth][typed_.size()]; }
  unsigned limit() const { return limit_; }

 private:
  std::string_view typed_;
  unsigned limit_;
  std::array<std::array<uint8_t, kTypedMax + 1>, kWordMax + 1> rows_{};
};

}  // namespace

std::string card_words(std::string_view readme) {
  constexpr size_t kWordsMax = 32;
  constexpr size_t kReadMax = 16u << 10;
  const std::string_view body = without_front_matter(readme).substr(0, kReadMax);
  std::set<std::string, std::less<>> seen;
  std::string out;
  for_each_word(body, [&](std::string_view word) {
    if (seen.size() >= kWordsMax) return;
    std::string plain = lower(word);
    if (!says_something(plain) || !seen.insert(plain).second) return;
    if (!out.empty()) out.push_back(' ');
    out += plain;
  });
  return out;
}

void WordList::sort() {
  constexpr size_t kFreshMax = 4096;
  const auto before = [this](uint32_t a, uint32_t b) { return pool_.text(a) < pool_.text(b); };
  for (auto word = static_cast<uint32_t>(sorted_.size() + fresh_.size()); word < pool_.size(); ++word) fresh_.push_back(word);
  std::sort(fresh_.begin(), fresh_.end(), before);
  if (fresh_.size() <= kFreshMax) return;
  std::vector<uint32_t> merged;
  merged.reserve(pool_.size());
  std::merge(sorted_.begin(), sorted_.end(), fresh_.begin(), fresh_.end(), std::back_inserter(merged), before);
  sorted_.swap(merged);
  fresh_ = {};
}

std::vector<WordMatch> WordList::find(std::string_view typed, unsigned errors_max, size_t matches_max) const {
  std::vector<WordMatch> out;
  find_in(fresh_, typed.substr(0, kTypedMax), errors_max, matches_max, out);
  find_in(sorted_, typed.substr(0, kTypedMax), errors_max, matches_max, out);
  return out;
}

void WordList::find_in(const std::vector<uint32_t>& words, std::string_view typed, unsigned errors_max, size_t matches_max, std::vector<WordMatch>& out) const {
  DistanceTable table(typed, errors_max);
  std::string_view previous;
  size_t valid = 0;  // rows of the table that belong to the previous word
  for (auto at = words.begin(); at != words.end() && out.size() < matches_max;) {
    const std::string_view word = pool_.text(*at);
    size_t depth = std::min(valid, shared_letters(previous, word));
    previous = word;
    unsigned best = 255;
    for (size_t d = 0; d <= depth; ++d) best = std::min(best, d == 0 ? static_cast<unsigned>(typed.size()) : table.distance(d));
    bool pruned = false;
    while (depth < word.size()) {
      const unsigned row_best = table.extend(word, ++depth);
      best = std::min(best, table.distance(depth));
      // No longer word with these letters comes nearer, unless a beginning of it matched already.
      if (row_best > errors_max) {
        pruned = best > errors_max;
        break;
      }
    }
    valid = depth;
    if (best <= errors_max) out.push_back({*at, static_cast<uint8_t>(best), depth == word.size() && table.distance(depth) == best});
    if (!pruned) {
      ++at;
      continue;
    }
    const std::string_view subtree = word.substr(0, depth);
    at = std::partition_point(at, words.end(), [&](uint32_t one) { return pool_.text(one).substr(0, subtree.size()) <= subtree; });
  }
}

std::vector<uint32_t> WordList::find_piece(std::string_view piece, Place place) const {
  std::vector<uint32_t> out;
  if (place == Place::whole) {
    if (const auto word = pool_.find(piece)) out.push_back(*word);
    return out;
  }
  out = pool_.find_holding(piece);
  if (place == Place::at_start) std::erase_if(out, [&](uint32_t word) { return !pool_.text(word).starts_with(piece); });
  if (place == Place::at_end) std::erase_if(out, [&](uint32_t word) { return !pool_.text(word).ends_with(piece); });
  return out;
}

}  // namespace lyceum::hub::search
