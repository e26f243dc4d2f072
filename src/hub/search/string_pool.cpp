#include "hub/search/string_pool.h"

#include "base/error.h"

namespace lyceum::hub::search {
namespace {

// FNV-1a over lower-case bytes, with a last mixing step because the table uses the low bits.
size_t hash(std::string_view text) {
  uint64_t value = 0xcbf29ce484222325ULL;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(lower(c))) * 0x100000001b3ULL;
  return value ^ (value >> 32);
}

}  // namespace

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

bool equal_no_case(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

StringPool::StringPool() : starts_{0}, table_(64, 0) {}

size_t StringPool::find_slot(std::string_view wanted) const {
  const size_t mask = table_.size() - 1;
  size_t slot = hash(wanted) & mask;
  while (table_[slot] != 0 && !equal_no_case(text(table_[slot] - 1), wanted)) slot = (slot + 1) & mask;
  return slot;
}

void StringPool::grow() {
  table_.assign(table_.size() * 2, 0);
  for (uint32_t number = 0; number < size(); ++number) table_[find_slot(text(number))] = number + 1;
}

uint32_t StringPool::intern(std::string_view wanted) {
  size_t slot = find_slot(wanted);
  if (table_[slot] != 0) return table_[slot] - 1;
  if ((starts_.size() + 1) * 4 > table_.size() * 3) {
    grow();
    slot = find_slot(wanted);
  }
  LYCEUM_CHECK(arena_.size() + wanted.size() < UINT32_MAX, "an arena of texts has 32-bit offsets");
  arena_.insert(arena_.end(), wanted.begin(), wanted.end());
  starts_.push_back(static_cast<uint32_t>(arena_.size()));
  table_[slot] = size();
  return size() - 1;
}

std::optional<uint32_t> StringPool::find(std::string_view wanted) const {
  const size_t slot = find_slot(wanted);
  return table_[slot] == 0 ? std::nullopt : std::optional(table_[slot] - 1);
}

size_t StringPool::memory_bytes() const { return arena_.capacity() + (starts_.capacity() + table_.capacity()) * sizeof(uint32_t); }

void StringPool::shrink() {
  arena_.shrink_to_fit();
  starts_.shrink_to_fit();
}

}  // namespace lyceum::hub::search
