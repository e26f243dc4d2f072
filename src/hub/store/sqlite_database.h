// sqlite_database.h: a connection to an SQLite file: WAL, synchronous=FULL, cached statements.
#pragma once

#include <sqlite3.h>

#include <filesystem>
#include <string>
#include <unordered_map>

#include "hub/store/database.h"

namespace lyceum::hub {

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(const std::filesystem::path& path, Access access);

  Engine engine() const noexcept override { return Engine::sqlite; }
  void execute(const std::string& script) override;
  void begin() override { execute("BEGIN IMMEDIATE"); }
  void commit() override { execute("COMMIT"); }
  void rollback() noexcept override;
  bool usable() const noexcept override { return true; }
  std::vector<std::string> find_damage() override;

  [[noreturn]] void fail(int code, std::string_view what) const;

 protected:
  std::unique_ptr<Cursor> start(std::string_view sql, std::span<const Value> values, bool cached) override;

 private:
  struct Close {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
  };

  sqlite3_stmt* prepare(std::string_view sql, unsigned flags);
  sqlite3_stmt* find_cached(std::string_view sql);  // null while its rows are being read

  std::unique_ptr<sqlite3, Close> handle_;
  std::unordered_map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>, Hash, std::equal_to<>> cache_;
};

}  // namespace lyceum::hub
