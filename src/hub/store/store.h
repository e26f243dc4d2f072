// store.h: the metadata store: one writer at a time, any number of readers, each reader seeing the last committed state.
//
// write() is the acknowledgement point of the whole hub: when it returns, the transaction is on disk (WAL, synchronous=FULL).
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "hub/store/database.h"

namespace lyceum::hub {

class Store {
 public:
  // Opens or creates the file and brings its schema up to date; refuses a file of a newer version.
  explicit Store(const std::filesystem::path& path);

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

  // One transaction; rolled back when `change` throws. `change` must not call write().
  void write(const std::function<void(Database&)>& change);

 private:
  friend class Reader;
  void give_back(std::unique_ptr<Database> database) noexcept;

  std::filesystem::path path_;
  std::mutex writer_mutex_;
  Database writer_;
  std::mutex readers_mutex_;
  std::vector<std::unique_ptr<Database>> readers_;
};

}  // namespace lyceum::hub
