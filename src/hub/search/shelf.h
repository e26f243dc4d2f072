// shelf.h: all repositories of one type as columns, with the inverted lists of their tags, owners and words.
//
// A row never changes its place and, but for its metrics, never its content: a changed repository gets a new row and the old one is dead.
// So every inverted list only grows at its end. Dead rows go when they are many (compact()).
//
//   row         0        1        2   …
//   id_         17       18       21             columns, one vector each
//   names_      "a/x"    "b/y"    "a/z"          lower case, end to end
//   row_tags_   3 9 12 | 3 40 |   …              tag numbers of each row, end to end
//   tags_       3 -> rows 0, 1   9 -> row 0      Postings
//
// Threads: the owner locks (memory_index.cpp): writers alone, readers together.
#pragma once

#include <array>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <vector>

#include "hub/search/order.h"
#include "hub/search/postings.h"
#include "hub/search/search.h"
#include "hub/search/tag_kinds.h"
#include "hub/search/words.h"

namespace lyceum::hub::search {

constexpr size_t kSortCount = static_cast<size_t>(Sort::relevance);

class Shelf {
 public:
  explicit Shelf(RepoType type);

  uint32_t add(const Entry& entry);
  void set_metrics(uint32_t row, const Metrics& metrics);
  void kill(uint32_t row);
  // Leaves the dead rows out: all columns and lists anew, rows keep their sequence. Exclusive.
  void compact();
  // Puts words and rows in order; the first reader would otherwise pay. Exclusive.
  void prepare();

  RepoType type() const { return type_; }
  uint32_t rows() const { return static_cast<uint32_t>(ids_.size()); }
  uint32_t alive() const { return rows() - dead_count_; }
  bool needs_compaction() const { return dead_count_ > 5'000 && dead_count_ > alive() / 4; }
  uint64_t memory_bytes() const;

  // One row.
  bool dead(uint32_t row) const { return dead_[row] != 0; }
  int64_t id(uint32_t row) const { return ids_[row]; }
  int64_t owner_id(uint32_t row) const { return owner_ids_[row]; }
  bool flag(uint32_t row, uint8_t flag) const { return (flags_[row] & flag) != 0; }
  uint64_t parameters(uint32_t row) const { return parameters_[row]; }
  size_t size_number(uint32_t row) const { return sizes_[row]; }  // 0: unknown, else 1 + size_class()
  unsigned popularity(uint32_t row) const { return popularity_[row]; }   // grows slowly with downloads and likes
  // "owner/name" or "name" as it is written here; lower case.
  bool is_called(uint32_t row, std::string_view text) const;
  uint16_t hash_of_name(uint32_t row) const { return name_hashes_[row]; }
  static uint16_t hash_of_name(std::string_view text);                   // of what follows the slash, if there is one
  // How many rows, dead and hidden ones too, have a size_number().
  const std::array<uint64_t, kSizeClassCount + 1>& size_counts() const { return size_counts_; }
  // visit(row) for every row that not everybody sees: dead, private or disabled.
  template <typename Visit>
  void for_each_hidden(Visit visit) const;
  std::string_view name(uint32_t row) const { return {names_.data() + name_starts_[row], name_starts_[row + 1] - name_starts_[row]}; }
  uint32_t owner(uint32_t row) const { return owners_of_[row]; }
  uint32_t task(uint32_t row) const { return tasks_of_[row]; }
  uint32_t library(uint32_t row) const { return libraries_of_[row]; }
  std::pair<const uint32_t*, const uint32_t*> tags(uint32_t row) const { return {row_tags_.data() + tag_starts_[row], row_tags_.data() + tag_starts_[row + 1]}; }
  bool has_tag(uint32_t row, uint32_t tag) const;
  int64_t key(Sort sort, uint32_t row) const;   // of every sort but id
  bool before(Sort sort, uint32_t a, uint32_t b) const;
  std::optional<uint32_t> find_row(int64_t id) const;

  // Lists.
  const StringPool& tag_names() const { return tag_names_; }
  TagKind tag_kind(uint32_t tag) const { return tag_kinds_[tag]; }
  const Postings& rows_with_tag(uint32_t tag) const { return tags_[tag]; }
  const StringPool& owner_names() const { return owner_names_; }
  const Postings& rows_of_owner(uint32_t owner) const { return owners_[owner]; }
  const WordList& words() const { return words_; }
  const Postings& rows_named(uint32_t word) const { return named_[word]; }
  const Postings& rows_about(uint32_t word) const { return word < cards_of_.size() ? cards_[cards_of_[word]] : cards_[0]; }
  // Tags whose text has the word; null if none.
  const std::vector<uint32_t>* tags_saying(uint32_t word) const {
    const auto found = word_tags_.find(word);
    return found == word_tags_.end() ? nullptr : &found->second;
  }
  Order& order(Sort sort) const { return *orders_[static_cast<size_t>(sort)]; }
  const std::vector<uint8_t>& dead() const { return dead_; }

  static constexpr uint8_t kPrivate = 1, kDisabled = 2, kGated = 4, kRunnable = 8, kLinked = 16;
  static constexpr uint32_t kNone = UINT32_MAX;

 private:
  void make_orders();
  uint32_t intern_tag(std::string_view tag);
  uint32_t intern_word(std::string_view word);
  Postings& card_rows(uint32_t word);
  void add_texts(const Entry& entry, uint32_t row);
  void sort_rows(Sort sort, std::vector<uint32_t>& rows) const;
  void sort_by_name(std::vector<uint32_t>& rows) const;

  RepoType type_;
  std::vector<int64_t> ids_, created_;
  std::vector<uint32_t> owner_ids_;
  std::vector<uint8_t> flags_, dead_, sizes_, popularity_;
  std::vector<uint16_t> name_hashes_;
  std::array<uint64_t, kSizeClassCount + 1> size_counts_{};
  std::vector<Metrics> metrics_;
  std::vector<uint64_t> parameters_, bytes_;
  std::vector<uint32_t> owners_of_, tasks_of_, libraries_of_;
  std::vector<char> names_;
  std::vector<uint32_t> name_starts_, row_tags_, tag_starts_;
  std::vector<uint32_t> row_of_id_;
  uint32_t dead_count_ = 0;

  StringPool tag_names_, owner_names_;
  std::vector<TagKind> tag_kinds_;
  std::vector<Postings> tags_, owners_;
  WordList words_;
  std::vector<Postings> named_;          // by word
  std::vector<uint32_t> cards_of_;       // by word: its number in cards_; most words are in no card. Words after the end: 0
  std::vector<Postings> cards_{1};       // the first stays empty
  std::unordered_map<uint32_t, std::vector<uint32_t>> word_tags_;
  std::array<std::unique_ptr<Order>, kSortCount> orders_;
};

// Eight rows at a time: nearly all are seen by everybody.
template <typename Visit>
void Shelf::for_each_hidden(Visit visit) const {
  constexpr uint64_t kEach = 0x0101010101010101;
  const size_t whole = flags_.size() / 8 * 8;
  const auto hidden = [this](size_t row) { return dead_[row] != 0 || (flags_[row] & (kPrivate | kDisabled)) != 0; };
  for (size_t begin = 0; begin < flags_.size(); begin += 8) {
    if (begin < whole) {
      uint64_t flags, dead;
      std::memcpy(&flags, flags_.data() + begin, 8);
      std::memcpy(&dead, dead_.data() + begin, 8);
      if ((flags & kEach * (kPrivate | kDisabled)) == 0 && dead == 0) continue;
    }
    for (size_t row = begin; row < std::min(begin + 8, flags_.size()); ++row) {
      if (hidden(row)) visit(static_cast<uint32_t>(row));
    }
  }
}

}  // namespace lyceum::hub::search
