// string_pool.h: texts to small numbers and back, compared without case (ASCII). Numbers are given in order from 0 and never change.
//
// The texts lie end to end in one arena; a slot of the table holds a number and its text's hash, so that only the text looked for is read.
// A million short texts cost about 35 bytes each.
// One writer at a time; readers must not run beside it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lyceum::hub::search {

char lower(char c) noexcept;
std::string lower(std::string_view text);
bool equal_no_case(std::string_view a, std::string_view b) noexcept;

class StringPool {
 public:
  StringPool();

  uint32_t intern(std::string_view text);                       // keeps the case of the first text seen
  std::optional<uint32_t> find(std::string_view text) const;
  std::string_view text(uint32_t number) const { return {arena_.data() + starts_[number], starts_[number + 1] - starts_[number]}; }
  uint32_t size() const { return static_cast<uint32_t>(starts_.size() - 1); }
  size_t memory_bytes() const;
  // Numbers of the texts that hold `piece` (not empty, compared byte by byte) anywhere, ascending.
  std::vector<uint32_t> find_holding(std::string_view piece) const;

 private:
  struct Slot {
    uint32_t number = 0, hash = 0; // number + 1; 0 = free
  };
  size_t find_slot(std::string_view text, uint32_t hash) const;  // where it is, or the free slot where it would go
  void grow();

  std::vector<char> arena_;
  std::vector<uint32_t> starts_;   // one more than texts
  std::vector<Slot> table_;        // a power of two in size
};

}  // namespace lyceum::hub::search
