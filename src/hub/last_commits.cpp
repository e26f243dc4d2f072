#include "hub/last_commits.h"

namespace lyceum::hub {

std::shared_ptr<const LastCommitCache::Paths> LastCommitCache::find(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto* const known = folders_.find(key);
  return known ? *known : nullptr;
}

void LastCommitCache::put(const std::string& key, std::shared_ptr<const Paths> paths) {
  if (paths->size() > kPathsMax / 4) return;  // one huge folder must not push out all others
  const size_t cost = paths->size() + 1;
  const std::lock_guard lock(mutex_);
  folders_.put(key, std::move(paths), cost);
}

}  // namespace lyceum::hub
