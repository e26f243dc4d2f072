// lru_cache.h: values under text keys, up to a sum of costs; the least recently used leave first. Not for several threads: its owner locks.
#pragma once

#include <cstddef>
#include <iterator>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace lyceum {

template <typename Value>
class LruCache {
 public:
  explicit LruCache(size_t cost_max) : cost_max_(cost_max) {}

  // Null: absent. Valid until the next put() or remove().
  const Value* find(std::string_view key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    items_.splice(items_.begin(), items_, found->second);
    return &items_.front().value;
  }
  // In place of what was there. A value that costs more than all may does not stay.
  void put(std::string key, Value value, size_t cost) {
    remove(key);
    cost_ += cost;
    items_.push_front({std::move(key), std::move(value), cost});
    by_key_.emplace(items_.front().key, items_.begin());
    while (cost_ > cost_max_) drop(std::prev(items_.end()));
  }
  void remove(std::string_view key) {
    if (const auto found = by_key_.find(key); found != by_key_.end()) drop(found->second);
  }

 private:
  struct Item {
    std::string key;
    Value value;
    size_t cost;
  };
  void drop(typename std::list<Item>::iterator item) {
    cost_ -= item->cost;
    by_key_.erase(item->key);
    items_.erase(item);
  }

  const size_t cost_max_;
  size_t cost_ = 0;
  std::list<Item> items_;  // most recently used first
  std::unordered_map<std::string_view, typename std::list<Item>::iterator> by_key_;
};

}  // namespace lyceum
