// order.h: the rows of a shelf in the order of one key, kept while keys change.
//
// `sorted_` is the bulk. Rows that are new or whose key changed wait in `pending_`; the next reader puts them in their places: a few into
// the small list `fresh_` (their old places in the bulk are marked stale and passed over), many into the bulk. So a change costs a push,
// and a reader never sorts two million rows.
//
// Changes (note(), prepare()) need the shelf's exclusive lock, walking its shared lock.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace lyceum::hub::search {

class Order {
 public:
  // before(a, b): row a comes before row b; a strict order over all rows, with the keys as they are now.
  using Before = std::function<bool(uint32_t, uint32_t)>;
  using Sorter = std::function<void(std::vector<uint32_t>&)>;  // sorts rows quickly, by the same order
  Order(Before before, Sorter sorter) : before_(std::move(before)), sorter_(std::move(sorter)) {}

  void note(uint32_t row);          // new, changed or dead
  void prepare(const std::vector<uint8_t>& dead);  // before walking; dead[row] != 0: left out

  // Rows from the first that comes after `passed` says false, i.e. passed(row) is true for a beginning of the order. reverse: from the end,
  // and passed() is true for an ending of it. visit(row) until it returns false.
  void walk(bool reverse, const std::function<bool(uint32_t)>& passed, const std::function<bool(uint32_t)>& visit) const;
  size_t pending() const { return pending_.size(); }
  size_t memory_bytes() const { return (sorted_.capacity() + fresh_.capacity() + pending_.capacity()) * sizeof(uint32_t) + stale_.capacity() / 8; }

 private:
  void merge_all(const std::vector<uint8_t>& dead);
  size_t first_not_passed(const std::vector<uint32_t>& rows, bool skip_stale, bool reverse, const std::function<bool(uint32_t)>& passed) const;
  bool is_stale(uint32_t row) const { return row < stale_.size() && stale_[row]; }

  Before before_;
  Sorter sorter_;
  std::vector<uint32_t> sorted_, fresh_, pending_;
  std::vector<bool> stale_;         // the row's place in sorted_ counts no more
};

}  // namespace lyceum::hub::search
