#include "hub/store/store.h"

#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/random.h"
#include "hub/store/postgres_database.h"
#include "hub/store/schema.h"
#include "hub/store/sqlite_database.h"

namespace lyceum::hub {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kWriterWait = seconds(60);
constexpr auto kReaderWait = seconds(2);
constexpr auto kServerWait = seconds(15);  // how long a restart of the database server is waited for
constexpr int kConflictsMax = 40;

// Grows with the attempts and is never the same for two threads, so that the same transactions do not meet again.
void pause_after_conflict(int attempt) {
  static thread_local Rng rng(static_cast<uint64_t>(std::hash<std::thread::id>()(std::this_thread::get_id())));
  std::this_thread::sleep_for(milliseconds(1 + rng.below(static_cast<uint64_t>(2) << std::min(attempt, 6))));
}

}  // namespace

bool is_postgresql(std::string_view target) { return target.starts_with("postgresql://") || target.starts_with("postgres://"); }

std::string without_password(std::string_view target) {
  if (!is_postgresql(target)) return std::string(target);
  std::string out(target.substr(0, target.find('?')));  // a password may be a parameter, too
  const size_t begin = out.find("://") + 3;
  const size_t at = out.rfind('@');
  const size_t colon = out.find(':', begin);
  if (at != std::string::npos && colon < at) out.replace(colon, at - colon, ":***");
  return out;
}

Store::Store(StoreOptions options) : options_(std::move(options)), writers_max_(engine() == Engine::sqlite ? 1 : std::max<size_t>(1, options_.connections_max / 2)) {
  auto writer = connect(Database::Access::read_write);
  migrate(*writer);
  writers_.idle.push_back(std::move(writer));
}

Engine Store::engine() const noexcept { return is_postgresql(options_.target) ? Engine::postgresql : Engine::sqlite; }

// A server that is restarting is waited for; everything else fails at once.
std::unique_ptr<Database> Store::connect(Database::Access access) const {
  if (engine() == Engine::sqlite) return std::make_unique<SqliteDatabase>(options_.target, access);
  const auto give_up = std::chrono::steady_clock::now() + kServerWait;
  while (true) {
    try {
      return std::make_unique<PostgresDatabase>(options_.target, access);
    } catch (const Error& error) {
      if (error.tag() != kLostTag || std::chrono::steady_clock::now() > give_up) throw;
      std::this_thread::sleep_for(milliseconds(100));
    }
  }
}

Store::Reader Store::read() { return {*this, take_reader()}; }

Store::Reader::~Reader() {
  if (database_) store_->give_back(store_->readers_, std::move(database_));
}

// A thread may hold several readers, so waiting for one without end could wait for oneself: after a short while another one is opened.
std::unique_ptr<Database> Store::take_reader() {
  {
    std::unique_lock lock(readers_.mutex);
    if (engine() == Engine::postgresql) {
      readers_.given_back.wait_for(lock, kReaderWait, [this] { return !readers_.idle.empty() || readers_.out < options_.connections_max; });
    }
    ++readers_.out;
    if (!readers_.idle.empty()) {
      auto database = std::move(readers_.idle.back());
      readers_.idle.pop_back();
      return database;
    }
  }
  try {
    return connect(Database::Access::read_only);
  } catch (...) {
    give_back(readers_, nullptr);
    throw;
  }
}

std::unique_ptr<Database> Store::take_writer() {
  {
    std::unique_lock lock(writers_.mutex);
    const bool free = writers_.given_back.wait_for(lock, kWriterWait, [this] { return !writers_.idle.empty() || writers_.out < writers_max_; });
    if (!free) throw Error(Code::unavailable, "the database is busy with other changes; try again");
    ++writers_.out;
    if (!writers_.idle.empty()) {
      auto database = std::move(writers_.idle.back());
      writers_.idle.pop_back();
      return database;
    }
  }
  try {
    return connect(Database::Access::read_write);
  } catch (...) {
    give_back(writers_, nullptr);
    throw;
  }
}

void Store::give_back(Pool& pool, std::unique_ptr<Database> database) noexcept {
  constexpr size_t kIdleMax = 32;
  {
    const std::lock_guard lock(pool.mutex);
    --pool.out;
    if (database && database->usable() && pool.idle.size() < kIdleMax) pool.idle.push_back(std::move(database));
  }
  pool.given_back.notify_one();
}

void Store::write(const std::function<void(Database&)>& change) {
  struct Count {  // also for one that fails: its end may not be known
    std::atomic<uint64_t>& version;
    ~Count() { ++version; }
  };
  const Count count{version_};
  std::unique_ptr<Database> database = take_writer();
  const auto give_up = std::chrono::steady_clock::now() + kServerWait;
  for (int attempt = 0;; ++attempt) {
    try {
      if (!database) database = connect(Database::Access::read_write);
      write_once(*database, change);
      break;
    } catch (const Error& error) {
      const bool again = (error.tag() == kRetryTag && attempt < kConflictsMax) ||
                         (error.tag() == kLostTag && std::chrono::steady_clock::now() < give_up);
      if (database && !database->usable()) database.reset();
      if (!again) {
        give_back(writers_, std::move(database));
        if (error.tag() == kRetryTag) throw Error(Code::unavailable, "many changes of the same rows at the same time; try again");
        throw;
      }
      pause_after_conflict(attempt);
    } catch (...) {
      give_back(writers_, std::move(database));
      throw;
    }
  }
  give_back(writers_, std::move(database));
}

void Store::write_once(Database& database, const std::function<void(Database&)>& change) {
  if (options_.rehearse) {
    database.begin();
    try {
      change(database);
    } catch (...) {
      database.rollback();
      throw;
    }
    database.rollback();
  }
  database.begin();
  try {
    change(database);
    database.commit();
  } catch (...) {
    database.rollback();
    throw;
  }
}

}  // namespace lyceum::hub
