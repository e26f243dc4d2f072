// lfs_locks.h: git-lfs file locks: "I am working on this binary file". A lock is advice that git-lfs enforces at the
// pusher's side. One lock per path and repository. Any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hub/hub.h"

namespace lyceum::hub {

class HubImpl;

struct LfsLock {
  std::string id, path, owner;
  int64_t locked_ms = 0;
};

class LfsLocks {
 public:
  explicit LfsLocks(HubImpl& hub) : hub_(hub) {}

  // nullopt on success, with `made` filled; else the lock that is in the way. Needs the right to write.
  std::optional<LfsLock> try_lock(const Caller& caller, const RepoId& id, const std::string& path, LfsLock& made);
  // Error(forbidden) for somebody else's lock without force, Error(not_found) for none. force: those who may write.
  LfsLock unlock(const Caller& caller, const RepoId& id, const std::string& lock, bool force);
  // By path; path and id filter, "" for all.
  std::vector<LfsLock> list(const Repo& repo, const std::string& path, const std::string& id, size_t limit, size_t offset);

 private:
  HubImpl& hub_;
};

}  // namespace lyceum::hub
