#include "hub/search/order.h"

#include <algorithm>
#include <cstddef>

namespace lyceum::hub::search {
namespace {

constexpr size_t kFreshMax = 4096;

}  // namespace

void Order::note(uint32_t row) {
  if (row >= stale_.size()) stale_.resize(std::max<size_t>(row + 1, stale_.size() + stale_.size() / 2), false);
  stale_[row] = true;
  pending_.push_back(row);
}

void Order::prepare(const std::vector<uint8_t>& dead) {
  if (pending_.empty()) return;
  std::sort(pending_.begin(), pending_.end());
  pending_.erase(std::unique(pending_.begin(), pending_.end()), pending_.end());
  if (!fresh_.empty()) std::erase_if(fresh_, [this](uint32_t row) { return std::binary_search(pending_.begin(), pending_.end(), row); });
  std::erase_if(pending_, [&](uint32_t row) { return dead[row] != 0; });
  sorter_(pending_);
  const auto middle = static_cast<std::ptrdiff_t>(fresh_.size());
  fresh_.insert(fresh_.end(), pending_.begin(), pending_.end());
  std::inplace_merge(fresh_.begin(), fresh_.begin() + middle, fresh_.end(), before_);
  pending_.clear();
  if (pending_.capacity() > kFreshMax) pending_.shrink_to_fit();
  if (fresh_.size() > kFreshMax) merge_all(dead);
}

// Each fresh row finds its place by binary search; what lies between two places is copied as it is.
void Order::merge_all(const std::vector<uint8_t>& dead) {
  std::erase_if(sorted_, [&](uint32_t row) { return is_stale(row) || dead[row] != 0; });
  std::vector<uint32_t> merged;
  merged.reserve(sorted_.size() + fresh_.size());
  auto at = sorted_.begin();
  for (const uint32_t row : fresh_) {
    const auto place = std::lower_bound(at, sorted_.end(), row, before_);
    merged.insert(merged.end(), at, place);
    merged.push_back(row);
    at = place;
  }
  merged.insert(merged.end(), at, sorted_.end());
  sorted_.swap(merged);
  fresh_ = {};
  stale_.assign(stale_.size(), false);
}

size_t Order::first_not_passed(const std::vector<uint32_t>& rows, bool skip_stale, bool reverse, const std::function<bool(uint32_t)>& passed) const {
  // Positions count from the end when reversed. A stale row has no key to compare: the next one stands for it.
  const auto row_at = [&](size_t position) { return rows[reverse ? rows.size() - 1 - position : position]; };
  size_t low = 0, high = rows.size();
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    size_t probe = middle;
    while (probe < high && skip_stale && is_stale(row_at(probe))) ++probe;
    if (probe == high) high = middle;
    else if (passed(row_at(probe))) low = probe + 1;
    else high = middle;
  }
  return low;
}

void Order::walk(bool reverse, const std::function<bool(uint32_t)>& passed, const std::function<bool(uint32_t)>& visit) const {
  size_t i = first_not_passed(sorted_, true, reverse, passed), j = first_not_passed(fresh_, false, reverse, passed);
  const auto sorted_at = [&](size_t position) { return sorted_[reverse ? sorted_.size() - 1 - position : position]; };
  const auto fresh_at = [&](size_t position) { return fresh_[reverse ? fresh_.size() - 1 - position : position]; };
  while (true) {
    while (i < sorted_.size() && is_stale(sorted_at(i))) ++i;
    if (i == sorted_.size() && j == fresh_.size()) return;
    bool from_fresh = i == sorted_.size();
    if (!from_fresh && j < fresh_.size()) from_fresh = reverse ? before_(sorted_at(i), fresh_at(j)) : before_(fresh_at(j), sorted_at(i));
    if (!visit(from_fresh ? fresh_at(j++) : sorted_at(i++))) return;
  }
}

}  // namespace lyceum::hub::search
