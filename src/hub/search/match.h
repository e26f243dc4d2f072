// match.h: which rows of a shelf a query means, and in what order. Used under the shelf's shared lock.
//
// Two ways to an answer, chosen by what they cost:
//   walk   follow the wanted order and test each row, until the page is full. Good when many rows match.
//   gather take the rows of the inverted lists that every match must be in (tags, the owner, words that hold a piece of the text), test
//          them, keep the best. Good when few rows match.
// A walk that has tested many rows without filling the page gives up and gathers. Unless one list is very short, the lists of tags and the
// owner are first laid over each other as bits, one per row: a walk then passes over most rows without touching their columns.
#pragma once

#include <functional>
#include <vector>

#include "hub/search/shelf.h"

namespace lyceum::hub::search {

class Matcher {
 public:
  Matcher(const Shelf& shelf, const Query& query);

  bool impossible() const { return impossible_; }
  bool accepts(uint32_t row) const;
  bool visible(uint32_t row) const;
  // Every match, ascending by row, until visit(row) is false.
  void gather(const std::function<bool(uint32_t)>& visit) const;
  // At most this many rows would be tested by gather().
  size_t candidates() const { return candidates_; }
  // How many rows a walk may test before gathering is cheaper.
  size_t walk_max() const { return !bits_.empty() ? 200'000 : !substrings_.empty() ? 5'000 : 30'000; }
  // Nothing is asked: every visible row matches.
  bool matches_all() const;

 private:
  using Either = std::vector<const Postings*>;   // a match is in one of them
  static size_t count_of(const Either& lists);
  std::vector<uint64_t> bits_of(const Either& lists) const;
  void lay_over();
  struct Piece {           // of a substring: a run of letters and digits, and where in a word it must be
    std::string text;
    WordList::Place place;
  };
  void resolve_tag(const std::string& tag);
  void resolve_any(const std::vector<std::string>& tags);
  static std::vector<Piece> pieces_of(const std::string& text);
  // Rows whose names may hold the substrings, as bits; empty if that would be most of the shelf.
  std::vector<uint64_t> rows_by_words() const;

  const Shelf& shelf_;
  const Query& query_;
  bool impossible_ = false;
  std::vector<std::vector<uint32_t>> tags_;    // one of each list
  std::vector<std::string> substrings_;
  uint32_t owner_ = Shelf::kNone, task_ = Shelf::kNone;
  std::vector<Either> lists_;                  // of tags, task and owner: a match is in all of them; the shortest first
  std::vector<uint64_t> bits_;                 // the rows in all of lists_; empty: not made
  size_t candidates_ = 0;
};

// The rows that the words of a text find, with a score each (higher is better), in no order.
struct Hit {
  uint32_t row = 0;
  int64_t score = 0;
};
std::vector<Hit> find_text(const Shelf& shelf, const Matcher& matcher, std::string_view text);

Page find_page(const Shelf& shelf, const Query& query);
uint64_t count_rows(const Shelf& shelf, const Query& query);
// Of everything that the matcher accepts; with a text, of its hits.
Summary summarise(const Shelf& shelf, const Query& query, const Matcher& matcher, const std::vector<Hit>& text_hits);
std::vector<Facet> list_tags(const Shelf& shelf, const Viewer& viewer, size_t values_max);

}  // namespace lyceum::hub::search
