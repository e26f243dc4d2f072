// last_commits.h: remembers, for a folder of a commit, which commit last changed each path. A commit never changes, so an answer stays
// true; the walk through history that it took can be long. Bounded, the least recently used folder leaves first. Any thread.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "git/oid.h"

namespace lyceum::hub {

class LastCommitCache {
 public:
  using Paths = std::unordered_map<std::string, git::Oid>;
  static constexpr size_t kPathsMax = 500'000;   // of all folders together, about 60 MiB

  std::shared_ptr<const Paths> find(const std::string& key);
  void put(const std::string& key, std::shared_ptr<const Paths> paths);

 private:
  struct Item {
    std::string key;
    std::shared_ptr<const Paths> paths;
  };
  std::mutex mutex_;
  std::list<Item> items_;   // most recently used first
  std::unordered_map<std::string, std::list<Item>::iterator> index_;
  size_t paths_ = 0;
};

}  // namespace lyceum::hub
