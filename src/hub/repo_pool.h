// repo_pool.h: open git repositories, handed out one thread at a time, and the lock that makes writers to one repository take turns.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "git/repository.h"
#include "hub/store/locks.h"

namespace lyceum::hub {

class RepoPool {
 public:
  class Lease {
   public:
    Lease(RepoPool& pool, std::unique_ptr<git::Repository> repository) : pool_(&pool), repository_(std::move(repository)) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (repository_) pool_->give_back(std::move(repository_));
    }
    git::Repository* operator->() const noexcept { return repository_.get(); }
    git::Repository& operator*() const noexcept { return *repository_; }

   private:
    RepoPool* pool_;
    std::unique_ptr<git::Repository> repository_;
  };

  Lease open(const std::filesystem::path& folder);
  void forget(const std::filesystem::path& folder);  // closes idle handles, before the folder goes away

 private:
  friend class Lease;
  void give_back(std::unique_ptr<git::Repository> repository) noexcept;

  std::mutex mutex_;
  std::list<std::unique_ptr<git::Repository>> idle_;  // most recently used first
};

// The lock of a repository: writers take turns, in all hubs that share the store (store/locks.h). Held across threads (a push starts on
// one and may end on another).
class RepoLocks {
 public:
  // take_over runs with the lock just taken, before anybody relies on it; it may finish what a hub that died left behind.
  RepoLocks(NamedLocks& locks, std::function<void(int64_t repo_id)> take_over) : locks_(locks), take_over_(std::move(take_over)) {}

  class Held {
   public:
    Held(RepoLocks& locks, int64_t id, NamedLocks::Held lock);
    Held(Held&& other) noexcept : locks_(other.locks_), id_(other.id_), lock_(std::move(other.lock_)) { other.locks_ = nullptr; }
    Held& operator=(Held&&) = delete;
    ~Held();

   private:
    friend class RepoLocks;
    RepoLocks* locks_;
    int64_t id_;
    std::shared_ptr<NamedLocks::Held> lock_;
  };
  Held lock(int64_t repo_id);                     // Error(unavailable) after a minute
  std::optional<Held> try_lock(int64_t repo_id);  // does not wait
  bool is_intact(int64_t repo_id);                // false: nobody here holds it, or the store lost it

 private:
  std::optional<Held> take(int64_t repo_id, std::chrono::milliseconds patience);

  NamedLocks& locks_;
  const std::function<void(int64_t)> take_over_;
  std::mutex mutex_;
  std::map<int64_t, std::weak_ptr<NamedLocks::Held>> held_;
};

}  // namespace lyceum::hub
