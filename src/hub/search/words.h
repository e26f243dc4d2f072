// words.h: how texts become words, and the dictionary of words with search by prefix and with typing errors.
//
// The words are kept sorted, so that a walk over them is a walk over their trie: neighbours share their first letters, and the rows of the
// edit-distance table for those letters are kept. Where a row's best value exceeds the allowed distance, the whole subtree is skipped by
// binary search. (Levenshtein distance with swapped neighbours: Damerau 1964, in the restricted form.)
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hub/search/string_pool.h"

namespace lyceum::hub::search {

// Runs of letters and digits (bytes over 0x7f count as letters), as they are written; cut at kWordMax bytes, which no name exceeds.
constexpr size_t kWordMax = 96;
template <typename Visit>
void for_each_word(std::string_view text, Visit visit) {
  const auto is_word = [](char c) { return static_cast<signed char>(c) < 0 || (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z'); };
  for (size_t begin = 0; begin < text.size();) {
    if (!is_word(text[begin])) {
      ++begin;
      continue;
    }
    size_t end = begin + 1;
    while (end < text.size() && is_word(text[end])) ++end;
    visit(text.substr(begin, std::min(end - begin, kWordMax)));
    begin = end;
  }
}

// The words worth indexing of a README's body: the first 32 different ones of 3 to 24 letters that say something.
std::string card_words(std::string_view readme);

struct WordMatch {
  uint32_t word = 0;
  uint8_t errors = 0;      // letters changed, added, left out or swapped
  bool whole = false;      // not only the beginning of the word
};

class WordList {
 public:
  uint32_t intern(std::string_view word) { return pool_.intern(word); }
  std::string_view text(uint32_t word) const { return pool_.text(word); }
  uint32_t size() const { return pool_.size(); }
  // Takes in the words added since; needs exclusive access, as intern() does.
  void sort();
  bool sorted() const { return sorted_.size() + fresh_.size() == pool_.size(); }

  // Words that begin with `typed` (or are it), with at most `errors_max` errors. Needs sort() before. Best first is not promised.
  std::vector<WordMatch> find(std::string_view typed, unsigned errors_max, size_t matches_max) const;
  // Words that hold `piece` anywhere, at their end, or at their beginning.
  enum class Place { inside, at_end, at_start, whole };
  std::vector<uint32_t> find_piece(std::string_view piece, Place place) const;
  size_t memory_bytes() const { return pool_.memory_bytes() + (sorted_.capacity() + fresh_.capacity()) * sizeof(uint32_t); }

 private:
  void find_in(const std::vector<uint32_t>& words, std::string_view typed, unsigned errors_max, size_t matches_max, std::vector<WordMatch>& out) const;

  StringPool pool_;
  std::vector<uint32_t> sorted_, fresh_;   // both sorted; fresh_ is short, and taken in when it is not
};

}  // namespace lyceum::hub::search
