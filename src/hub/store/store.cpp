#include "hub/store/store.h"

#include "base/error.h"
#include "hub/store/schema.h"

namespace lyceum::hub {

Store::Store(const std::filesystem::path& path) : path_(path), writer_(path, Database::Access::read_write) { migrate(writer_); }

Store::Reader Store::read() {
  {
    const std::lock_guard lock(readers_mutex_);
    if (!readers_.empty()) {
      auto database = std::move(readers_.back());
      readers_.pop_back();
      return {*this, std::move(database)};
    }
  }
  return {*this, std::make_unique<Database>(path_, Database::Access::read_only)};
}

Store::Reader::~Reader() {
  if (database_) store_->give_back(std::move(database_));
}

void Store::give_back(std::unique_ptr<Database> database) noexcept {
  constexpr size_t kIdleMax = 32;
  const std::lock_guard lock(readers_mutex_);
  if (readers_.size() < kIdleMax) readers_.push_back(std::move(database));
}

void Store::write(const std::function<void(Database&)>& change) {
  const std::lock_guard lock(writer_mutex_);
  writer_.execute("BEGIN IMMEDIATE");
  try {
    change(writer_);
    writer_.execute("COMMIT");
  } catch (...) {
    try {
      writer_.execute("ROLLBACK");
    } catch (const Error&) {
      // SQLite rolled back by itself (disk full); the first error is the one to report.
    }
    throw;
  }
}

}  // namespace lyceum::hub
