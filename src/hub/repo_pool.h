// repo_pool.h: open git repositories, handed out one thread at a time, and the lock that makes writers to one repository take turns.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "git/repository.h"

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

// Held across threads (a push starts on one and may end on another), so not a std::mutex.
class RepoLocks {
 public:
  class Held {
   public:
    Held(RepoLocks& locks, int64_t id) : locks_(&locks), id_(id) {}
    Held(Held&& other) noexcept : locks_(other.locks_), id_(other.id_) { other.locks_ = nullptr; }
    Held& operator=(Held&&) = delete;
    ~Held() {
      if (locks_ != nullptr) locks_->release(id_);
    }

   private:
    RepoLocks* locks_;
    int64_t id_;
  };
  Held lock(int64_t repo_id);  // Error(unavailable) after a minute

 private:
  friend class Held;
  void release(int64_t id) noexcept;

  std::mutex mutex_;
  std::condition_variable released_;
  std::set<int64_t> held_;
};

}  // namespace lyceum::hub
