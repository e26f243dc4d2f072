// store.h: the metadata store, in an SQLite file or in PostgreSQL: readers that see the last committed state, and transactions.
//
// write() is the acknowledgement point of the whole hub: when it returns, the transaction is on disk (SQLite: WAL, synchronous=FULL;
// PostgreSQL: synchronous_commit=on). SQLite has one writer at a time; PostgreSQL runs transactions side by side, serializable.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "hub/store/database.h"
#include "hub/store/store_options.h"

namespace lyceum::hub {

class Store {
 public:
  // Opens or creates the database and brings its schema up to date; refuses one of a newer program.
  explicit Store(StoreOptions options);

  class Reader {
   public:
    Reader(Store& store, std::unique_ptr<Database> database) : store_(&store), database_(std::move(database)) {}
    Reader(Reader&& other) noexcept : store_(other.store_), database_(std::move(other.database_)) {}
    Reader& operator=(Reader&&) = delete;
    ~Reader();
    Database* operator->() const noexcept { return database_.get(); }
    Database& operator*() const noexcept { return *database_; }

   private:
    Store* store_;
    std::unique_ptr<Database> database_;
  };
  Reader read();

  // One transaction; rolled back when `change` throws. `change` must not call write(). It may run more than once (two transactions in
  // conflict, a lost connection): it may set variables outside, but must not add to them, and must do nothing that cannot be repeated.
  // A statement that failed ends the transaction: `change` must not catch its Error and go on.
  void write(const std::function<void(Database&)>& change);

  // How many transactions this process has ended; counted before write() returns.
  uint64_t version() const noexcept { return version_; }

  Engine engine() const noexcept;
  const StoreOptions& options() const noexcept { return options_; }

 private:
  friend class Reader;
  // Connections of one kind, handed out one thread at a time.
  struct Pool {
    std::mutex mutex;
    std::condition_variable given_back;
    std::vector<std::unique_ptr<Database>> idle;
    size_t out = 0;
  };

  std::unique_ptr<Database> connect(Database::Access access) const;
  std::unique_ptr<Database> take_reader();
  std::unique_ptr<Database> take_writer();
  void give_back(Pool& pool, std::unique_ptr<Database> database) noexcept;
  void write_once(Database& database, const std::function<void(Database&)>& change);

  const StoreOptions options_;
  const size_t writers_max_;
  Pool readers_, writers_;
  std::atomic<uint64_t> version_{0};
};

}  // namespace lyceum::hub
