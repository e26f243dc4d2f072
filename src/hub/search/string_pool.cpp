#include "hub/search/string_pool.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace lyceum::hub::search {
namespace {

// FNV-1a over lower-case bytes, with a last mixing step because the table uses the low bits.
uint32_t hash_of(std::string_view text) {
  uint64_t value = 0xcbf29ce484222325ULL;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(lower(c))) * 0x100000001b3ULL;
  return static_cast<uint32_t>(value ^ (value >> 32));
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

StringPool::StringPool() : starts_{0}, table_(64) {}

size_t StringPool::find_slot(std::string_view wanted, uint32_t hash) const {
  const size_t mask = table_.size() - 1;
  size_t slot = hash & mask;
  while (table_[slot].number != 0 && (table_[slot].hash != hash || !equal_no_case(text(table_[slot].number - 1), wanted))) slot = (slot + 1) & mask;
  return slot;
}

void StringPool::grow() {
  std::vector<Slot> wider(table_.size() * 2);
  const size_t mask = wider.size() - 1;
  for (const Slot& one : table_) {
    if (one.number == 0) continue;
    size_t slot = one.hash & mask;
    while (wider[slot].number != 0) slot = (slot + 1) & mask;
    wider[slot] = one;
  }
  table_.swap(wider);
}

uint32_t StringPool::intern(std::string_view wanted) {
  const uint32_t hash = hash_of(wanted);
  size_t slot = find_slot(wanted, hash);
  if (table_[slot].number != 0) return table_[slot].number - 1;
  if ((starts_.size() + 1) * 4 > table_.size() * 3) {
    grow();
    slot = find_slot(wanted, hash);
  }
  LYCEUM_CHECK(arena_.size() + wanted.size() < UINT32_MAX, "an arena of texts has 32-bit offsets");
  arena_.insert(arena_.end(), wanted.begin(), wanted.end());
  starts_.push_back(static_cast<uint32_t>(arena_.size()));
  table_[slot] = {size(), hash};
  return size() - 1;
}

std::optional<uint32_t> StringPool::find(std::string_view wanted) const {
  const size_t slot = find_slot(wanted, hash_of(wanted));
  return table_[slot].number == 0 ? std::nullopt : std::optional(table_[slot].number - 1);
}

// One pass over the arena; a hit that reaches over the end of its text is none.
std::vector<uint32_t> StringPool::find_holding(std::string_view piece) const {
  std::vector<uint32_t> out;
  const char* const begin = arena_.data();
  const char* const end = begin + arena_.size();
  auto text = starts_.begin();
  for (const char* at = begin; at < end;) {
    at = static_cast<const char*>(::memmem(at, static_cast<size_t>(end - at), piece.data(), piece.size()));
    if (at == nullptr) break;
    const auto offset = static_cast<size_t>(at - begin);
    text = std::upper_bound(text, starts_.end(), static_cast<uint32_t>(offset)) - 1;
    if (offset + piece.size() <= *(text + 1)) {
      out.push_back(static_cast<uint32_t>(text - starts_.begin()));
      at = begin + *(text + 1);
    } else {
      ++at;
    }
  }
  return out;
}

size_t StringPool::memory_bytes() const { return arena_.capacity() + starts_.capacity() * sizeof(uint32_t) + table_.capacity() * sizeof(Slot); }

}  // namespace lyceum::hub::search
