#include "hub/store/locks.h"

#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "hub/store/postgres_database.h"

namespace lyceum::hub {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

int64_t number_of(const std::string& name) {
  const std::string digest = sha256_raw("lyceum lock " + name);
  int64_t out = 0;
  std::memcpy(&out, digest.data(), sizeof out);
  return out;
}

}  // namespace

NamedLocks::NamedLocks(const StoreOptions& store) : store_(store) {}
NamedLocks::~NamedLocks() = default;

std::optional<NamedLocks::Held> NamedLocks::try_lock(const std::string& name, milliseconds patience) {
  constexpr auto kPauseMax = milliseconds(15);
  const auto give_up = steady_clock::now() + patience;
  if (!take_in_memory(name, give_up)) return std::nullopt;
  uint64_t session = 0;
  try {
    for (auto pause = milliseconds(2); !try_in_store(name, session); pause = std::min(pause * 2, kPauseMax)) {
      if (steady_clock::now() + pause > give_up) {
        release_in_memory(name);
        return std::nullopt;
      }
      std::this_thread::sleep_for(pause);
    }
  } catch (...) {
    release_in_memory(name);
    throw;
  }
  return Held(*this, name, session);
}

bool NamedLocks::take_in_memory(const std::string& name, steady_clock::time_point give_up) {
  std::unique_lock lock(mutex_);
  if (!released_.wait_until(lock, give_up, [&] { return !held_.contains(name); })) return false;
  held_.insert(name);
  return true;
}

bool NamedLocks::try_in_store(const std::string& name, uint64_t& session) {
  if (!is_postgresql(store_.target)) return true;
  const std::lock_guard lock(session_mutex_);
  for (int attempt = 0;; ++attempt) {
    if (!session_ || !session_->usable()) {
      session_.reset();
      session_ = std::make_unique<PostgresDatabase>(store_.target, Database::Access::read_write);
      ++session_number_;
    }
    try {
      session = session_number_;
      Rows rows = session_->query("SELECT pg_try_advisory_lock(?)", number_of(name));
      return rows.step() && rows.boolean(0);
    } catch (const Error& error) {
      if (error.tag() != kLostTag || attempt > 0) throw;
      session_.reset();
    }
  }
}

void NamedLocks::release(const std::string& name) noexcept {
  try {
    const std::lock_guard lock(session_mutex_);
    if (session_ && session_->usable()) session_->run("SELECT pg_advisory_unlock(?)", number_of(name));
  } catch (const std::exception& error) {
    log::warn("giving back a lock: {}", error.what());  // a broken session has given it back already
  }
  release_in_memory(name);
}

void NamedLocks::release_in_memory(const std::string& name) noexcept {
  {
    const std::lock_guard lock(mutex_);
    held_.erase(name);
  }
  released_.notify_all();
}

bool NamedLocks::is_intact(uint64_t session) {
  if (!is_postgresql(store_.target)) return true;
  const std::lock_guard lock(session_mutex_);
  if (session != session_number_ || !session_) return false;
  try {
    return session_->query("SELECT 1").step();
  } catch (const Error&) {
    session_.reset();
    return false;
  }
}

}  // namespace lyceum::hub
