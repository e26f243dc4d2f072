// database.h: a thin layer over SQLite: one connection, cached statements, bound values, errors translated.
//
// Thin on purpose (no SOCI): every query is visible SQL beside its use, and a PostgreSQL store can take the
// same place behind Store. A full disk is Error(storage_full), a broken constraint Error(conflict), anything else Error(internal).
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"

namespace lyceum::hub {

struct Blob {  // bind this for a BLOB instead of TEXT
  std::string_view bytes;
};

class Database;

// A running statement, borrowed from its connection's cache and reset on destruction. `while (rows.step()) rows.text(0)`.
class Rows {
 public:
  Rows(Database& database, sqlite3_stmt* statement, bool owned = false) : database_(database), statement_(statement), owned_(owned) {}
  ~Rows();
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  bool step();
  int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  bool boolean(int column) const { return integer(column) != 0; }
  std::string text(int column) const;  // TEXT or BLOB; "" for NULL
  bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

 private:
  friend class Database;
  Database& database_;
  sqlite3_stmt* statement_;
  bool owned_;
};

class Database {
 public:
  enum class Access { read_write, read_only };
  Database(const std::filesystem::path& path, Access access);

  // Runs a script without parameters.
  void execute(const char* script);
  // One statement; parameters are bound in order to ?1, ?2, …
  template <typename... Values>
  Rows query(std::string_view sql, const Values&... values) {
    sqlite3_stmt* statement = prepare(sql);
    int index = 0;
    (bind(statement, ++index, values), ...);
    return Rows(*this, statement);
  }
  template <typename... Values>
  int64_t run(std::string_view sql, const Values&... values) {  // returns the number of rows changed
    Rows rows = query(sql, values...);
    while (rows.step()) {
    }
    return sqlite3_changes64(handle_.get());
  }
  int64_t last_id() const { return sqlite3_last_insert_rowid(handle_.get()); }
  // For statements whose text is put together at run time (not cached): binds a list of strings.
  Rows query_list(std::string_view sql, const std::vector<std::string>& values);

  [[noreturn]] void fail(int code, std::string_view what) const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };

  sqlite3_stmt* prepare(std::string_view sql);
  void bind(sqlite3_stmt* statement, int index, int64_t value) { sqlite3_bind_int64(statement, index, value); }
  void bind(sqlite3_stmt* statement, int index, uint64_t value) { sqlite3_bind_int64(statement, index, static_cast<int64_t>(value)); }
  void bind(sqlite3_stmt* statement, int index, int value) { sqlite3_bind_int64(statement, index, value); }
  void bind(sqlite3_stmt* statement, int index, bool value) { sqlite3_bind_int64(statement, index, value ? 1 : 0); }
  void bind(sqlite3_stmt* statement, int index, std::string_view value);
  void bind(sqlite3_stmt* statement, int index, const std::string& value) { bind(statement, index, std::string_view(value)); }
  void bind(sqlite3_stmt* statement, int index, const char* value) { bind(statement, index, std::string_view(value)); }
  void bind(sqlite3_stmt* statement, int index, Blob value);

  std::unique_ptr<sqlite3, Close> handle_;
  std::unordered_map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>> cache_;
};

}  // namespace lyceum::hub
