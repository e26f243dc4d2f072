// last_commits.h: remembers, for a folder of a commit, which commit last changed each path. A commit never changes, so an answer stays
// true; the walk through history that it took can be long. Bounded, the least recently used folder leaves first. Any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/lru_cache.h"
#include "git/oid.h"

namespace lyceum::hub {

class LastCommitCache {
 public:
  using Paths = std::unordered_map<std::string, git::Oid>;
  static constexpr size_t kPathsMax = 500'000;   // of all folders together, about 60 MiB

  std::shared_ptr<const Paths> find(const std::string& key);
  void put(const std::string& key, std::shared_ptr<const Paths> paths);

 private:
  std::mutex mutex_;
  LruCache<std::shared_ptr<const Paths>> folders_{kPathsMax};
};

}  // namespace lyceum::hub
