// locks.h: named locks, held by one thread of control in all hubs that share a store. Any thread; a lock may be given back by another one.
//
// Over SQLite there is one process, and the lock is in its memory. Over PostgreSQL one session of this process holds an advisory lock for
// each name, on top of the lock in memory; the server gives them back when the process dies. If that session breaks, its locks are gone:
// intact() says so. Code that relies on a lock for what the store does not guard asks intact() after the fact.
// Rejected: a row with an owner and a deadline (needs clocks that agree, and a dead owner blocks everybody until the deadline).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "hub/store/store_options.h"

namespace lyceum::hub {

class PostgresDatabase;

class NamedLocks {
 public:
  explicit NamedLocks(const StoreOptions& store);
  ~NamedLocks();

  class Held {
   public:
    Held(NamedLocks& locks, std::string name, uint64_t session) : locks_(&locks), name_(std::move(name)), session_(session) {}
    Held(Held&& other) noexcept : locks_(other.locks_), name_(std::move(other.name_)), session_(other.session_) { other.locks_ = nullptr; }
    Held& operator=(Held&&) = delete;
    ~Held() {
      if (locks_ != nullptr) locks_->release(name_);
    }
    bool intact() const { return locks_->is_intact(session_); }

   private:
    NamedLocks* locks_;
    std::string name_;
    uint64_t session_;
  };

  // nullopt: somebody else held it until the time was over.
  std::optional<Held> try_lock(const std::string& name, std::chrono::milliseconds patience);

 private:
  friend class Held;
  bool take_in_memory(const std::string& name, std::chrono::steady_clock::time_point give_up);
  bool try_in_store(const std::string& name, uint64_t& session);
  void release(const std::string& name) noexcept;
  void release_in_memory(const std::string& name) noexcept;
  bool is_intact(uint64_t session);

  const StoreOptions store_;
  std::mutex mutex_;
  std::condition_variable released_;
  std::set<std::string> held_;

  std::mutex session_mutex_;  // after mutex_ is given back
  std::unique_ptr<PostgresDatabase> session_;
  uint64_t session_number_ = 0;  // grows with every new session
};

}  // namespace lyceum::hub
