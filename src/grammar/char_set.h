// char_set.h: a set of Unicode characters as sorted, disjoint ranges. Surrogates are no characters: they are never members.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace lyceum::grammar {

struct CharRange {
  char32_t first, last;  // both included
  bool operator==(const CharRange&) const = default;
};

class CharSet {
 public:
  CharSet() = default;
  CharSet(std::initializer_list<CharRange> ranges) : CharSet(std::vector<CharRange>(ranges)) {}
  explicit CharSet(std::vector<CharRange> ranges);
  static CharSet all();

  void add(CharRange range);
  void add(const CharSet& other);
  CharSet complement() const;
  CharSet intersect(const CharSet& other) const;
  CharSet minus(const CharSet& other) const { return intersect(other.complement()); }
  bool contains(char32_t c) const noexcept;
  bool empty() const noexcept { return ranges_.empty(); }
  const std::vector<CharRange>& ranges() const noexcept { return ranges_; }

 private:
  void normalise();
  std::vector<CharRange> ranges_;
};

}  // namespace lyceum::grammar
