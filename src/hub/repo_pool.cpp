#include "hub/repo_pool.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"

namespace lyceum::hub {

RepoPool::Lease RepoPool::open(const std::filesystem::path& folder) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(idle_.begin(), idle_.end(), [&](const auto& item) { return item->folder() == folder; });
    if (found != idle_.end()) {
      auto repository = std::move(*found);
      idle_.erase(found);
      return {*this, std::move(repository)};
    }
  }
  return {*this, std::make_unique<git::Repository>(folder)};
}

void RepoPool::forget(const std::filesystem::path& folder) {
  const std::lock_guard lock(mutex_);
  std::erase_if(idle_, [&](const auto& item) { return item->folder() == folder; });
}

void RepoPool::give_back(std::unique_ptr<git::Repository> repository) noexcept {
  constexpr size_t kIdleMax = 64;
  const std::lock_guard lock(mutex_);
  idle_.push_front(std::move(repository));
  if (idle_.size() > kIdleMax) idle_.pop_back();
}

RepoLocks::Held RepoLocks::lock(int64_t repo_id) {
  std::unique_lock lock(mutex_);
  const bool taken = released_.wait_for(lock, std::chrono::seconds(60), [&] { return !held_.contains(repo_id); });
  if (!taken) throw Error(Code::unavailable, "another change of this repository is in progress; try again");
  held_.insert(repo_id);
  return {*this, repo_id};
}

void RepoLocks::release(int64_t id) noexcept {
  {
    const std::lock_guard lock(mutex_);
    held_.erase(id);
  }
  released_.notify_all();
}

}  // namespace lyceum::hub
