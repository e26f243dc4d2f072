#include "hub/last_commits.h"

namespace lyceum::hub {

std::shared_ptr<const LastCommitCache::Paths> LastCommitCache::find(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  items_.splice(items_.begin(), items_, found->second);
  return found->second->paths;
}

void LastCommitCache::put(const std::string& key, std::shared_ptr<const Paths> paths) {
  if (paths->size() > kPathsMax / 4) return;  // one huge folder must not push out all others
  const std::lock_guard lock(mutex_);
  if (index_.contains(key)) return;
  paths_ += paths->size() + 1;
  items_.push_front({key, std::move(paths)});
  index_.emplace(key, items_.begin());
  while (paths_ > kPathsMax) {
    paths_ -= items_.back().paths->size() + 1;
    index_.erase(items_.back().key);
    items_.pop_back();
  }
}

}  // namespace lyceum::hub
