#include "hub/repo_pool.h"

#include <algorithm>

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

RepoLocks::Held::Held(RepoLocks& locks, int64_t id, NamedLocks::Held lock)
    : locks_(&locks), id_(id), lock_(std::make_shared<NamedLocks::Held>(std::move(lock))) {
  const std::lock_guard guard(locks.mutex_);
  locks.held_[id] = lock_;
}

RepoLocks::Held::~Held() {
  if (locks_ == nullptr) return;
  {
    const std::lock_guard guard(locks_->mutex_);
    locks_->held_.erase(id_);
  }
  lock_.reset();
}

std::optional<RepoLocks::Held> RepoLocks::take(int64_t repo_id, std::chrono::milliseconds patience) {
  auto lock = locks_.try_lock("repository " + std::to_string(repo_id), patience);
  if (!lock) return std::nullopt;
  std::optional<Held> held(std::in_place, *this, repo_id, std::move(*lock));
  if (take_over_) take_over_(repo_id);
  return held;
}

RepoLocks::Held RepoLocks::lock(int64_t repo_id) {
  auto held = take(repo_id, std::chrono::seconds(60));
  if (!held) throw Error(Code::unavailable, "another change of this repository is in progress; try again");
  return std::move(*held);
}

std::optional<RepoLocks::Held> RepoLocks::try_lock(int64_t repo_id) { return take(repo_id, std::chrono::milliseconds(0)); }

bool RepoLocks::is_intact(int64_t repo_id) {
  std::shared_ptr<NamedLocks::Held> lock;
  {
    const std::lock_guard guard(mutex_);
    const auto found = held_.find(repo_id);
    if (found != held_.end()) lock = found->second.lock();
  }
  return lock && lock->intact();
}

}  // namespace lyceum::hub
