#include "grammar/char_set.h"

#include <algorithm>

namespace lyceum::grammar {
namespace {

constexpr char32_t kLast = 0x10FFFF;
constexpr char32_t kBeforeSurrogates = 0xD7FF, kAfterSurrogates = 0xE000;

}  // namespace

CharSet::CharSet(std::vector<CharRange> ranges) : ranges_(std::move(ranges)) { normalise(); }

CharSet CharSet::all() { return CharSet{{0, kLast}}; }

void CharSet::add(CharRange range) {
  ranges_.push_back(range);
  normalise();
}

void CharSet::add(const CharSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  normalise();
}

// Sorts, joins neighbours and cuts the surrogates out.
void CharSet::normalise() {
  std::vector<CharRange> cut;
  for (const CharRange& range : ranges_) {
    if (range.first > range.last) continue;
    cut.push_back({range.first, std::min(range.last, kBeforeSurrogates)});
    cut.push_back({std::max(range.first, kAfterSurrogates), std::min(range.last, kLast)});
  }
  std::erase_if(cut, [](const CharRange& range) { return range.first > range.last; });
  std::ranges::sort(cut, {}, &CharRange::first);
  ranges_.clear();
  for (const CharRange& range : cut) {
    if (!ranges_.empty() && range.first <= ranges_.back().last + 1) {
      ranges_.back().last = std::max(ranges_.back().last, range.last);
    } else {
      ranges_.push_back(range);
    }
  }
}

CharSet CharSet::complement() const {
  CharSet out;
  char32_t next = 0;
  for (const CharRange& range : ranges_) {
    if (range.first > next) out.ranges_.push_back({next, static_cast<char32_t>(range.first - 1)});
    next = static_cast<char32_t>(range.last + 1);
  }
  if (next <= kLast) out.ranges_.push_back({next, kLast});
  out.normalise();
  return out;
}

CharSet CharSet::intersect(const CharSet& other) const {
  CharSet out;
  for (const CharRange& a : ranges_) {
    for (const CharRange& b : other.ranges_) {
      const CharRange both{std::max(a.first, b.first), std::min(a.last, b.last)};
      if (both.first <= both.last) out.ranges_.push_back(both);
    }
  }
  out.normalise();
  return out;
}

bool CharSet::contains(char32_t c) const noexcept {
  return std::ranges::any_of(ranges_, [c](const CharRange& range) { return range.first <= c && c <= range.last; });
}

}  // namespace lyceum::grammar
