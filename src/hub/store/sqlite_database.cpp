#include "hub/store/sqlite_database.h"

#include <cerrno>

#include "base/error.h"

namespace lyceum::hub {
namespace {

void bind(sqlite3_stmt* statement, int index, const Value& value) {
  switch (value.kind) {
    case Value::Kind::null: sqlite3_bind_null(statement, index); return;
    case Value::Kind::integer: sqlite3_bind_int64(statement, index, value.integer); return;
    case Value::Kind::real: sqlite3_bind_double(statement, index, value.real); return;
    case Value::Kind::text:
      sqlite3_bind_text64(statement, index, value.text.data() == nullptr ? "" : value.text.data(), value.text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
      return;
    case Value::Kind::blob:
      if (value.text.empty()) sqlite3_bind_zeroblob(statement, index, 0);
      else sqlite3_bind_blob64(statement, index, value.text.data(), value.text.size(), SQLITE_TRANSIENT);
      return;
  }
}

// A statement borrowed from its connection's cache and reset at the end, or one of its own.
class SqliteCursor final : public Cursor {
 public:
  SqliteCursor(const SqliteDatabase& database, sqlite3* handle, sqlite3_stmt* statement, bool owned)
      : database_(database), handle_(handle), statement_(statement), owned_(owned) {}
  ~SqliteCursor() override {
    if (owned_) {
      sqlite3_finalize(statement_);
      return;
    }
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  SqliteCursor(const SqliteCursor&) = delete;
  SqliteCursor& operator=(const SqliteCursor&) = delete;

  bool step() override {
    const int result = sqlite3_step(statement_);
    if (result == SQLITE_ROW) return true;
    if (result != SQLITE_DONE) database_.fail(result, sqlite3_sql(statement_));
    changes_ = sqlite3_changes64(handle_);
    return false;
  }
  int64_t get_integer(int column) const override { return sqlite3_column_int64(statement_, column); }
  double get_real(int column) const override { return sqlite3_column_double(statement_, column); }
  std::string get_text(int column) const override {
    const void* data = sqlite3_column_blob(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), static_cast<size_t>(size));
  }
  bool is_null(int column) const override { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  int64_t changes() const override { return changes_; }

 private:
  const SqliteDatabase& database_;
  sqlite3* handle_;
  sqlite3_stmt* statement_;
  int64_t changes_ = 0;
  bool owned_;
};

}  // namespace

SqliteDatabase::SqliteDatabase(const std::filesystem::path& path, Access access) {
  sqlite3* raw = nullptr;
  const int flags = (access == Access::read_write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX;
  const int result = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  handle_.reset(raw);
  if (result != SQLITE_OK) fail(result, "open " + path.string());
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, 10'000);
  execute("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000; PRAGMA trusted_schema = OFF;");
  // There is one writer. A batch of an import touches some 30 MB of index pages, which must not leave the cache before the commit.
  if (access == Access::read_write) execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -48000;");
  else execute("PRAGMA query_only = ON;");
}

void SqliteDatabase::execute(const std::string& script) {
  const int result = sqlite3_exec(handle_.get(), script.c_str(), nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) fail(result, script);
}

void SqliteDatabase::rollback() noexcept {
  // SQLite may have rolled back by itself (disk full); the first error is the one to report.
  sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

std::unique_ptr<Cursor> SqliteDatabase::start(std::string_view sql, std::span<const Value> values, bool cached) {
  sqlite3_stmt* statement = cached ? find_cached(sql) : nullptr;
  const bool owned = statement == nullptr;
  if (owned) statement = prepare(sql, 0);
  for (size_t i = 0; i < values.size(); ++i) bind(statement, static_cast<int>(i) + 1, values[i]);
  return std::make_unique<SqliteCursor>(*this, handle_.get(), statement, owned);
}

sqlite3_stmt* SqliteDatabase::find_cached(std::string_view sql) {
  auto found = cache_.find(sql);
  if (found == cache_.end()) found = cache_.emplace(sql, prepare(sql, SQLITE_PREPARE_PERSISTENT)).first;
  sqlite3_stmt* const statement = found->second.get();
  return sqlite3_stmt_busy(statement) == 0 ? statement : nullptr;
}

sqlite3_stmt* SqliteDatabase::prepare(std::string_view sql, unsigned flags) {
  sqlite3_stmt* raw = nullptr;
  const int result = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()), flags, &raw, nullptr);
  if (result != SQLITE_OK) fail(result, sql);
  return raw;
}

std::vector<std::string> SqliteDatabase::find_damage() {
  std::vector<std::string> out;
  Rows check = query("PRAGMA quick_check(20)");
  while (check.step()) {
    if (check.text(0) != "ok") out.push_back(check.text(0));
  }
  Rows foreign = query("PRAGMA foreign_key_check");
  while (foreign.step()) out.push_back("a row of " + foreign.text(0) + " refers to a missing row");
  return out;
}

void SqliteDatabase::fail(int code, std::string_view what) const {
  const int primary = code & 0xff;
  const int system_error = handle_ ? sqlite3_system_errno(handle_.get()) : 0;
  const std::string reason = handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
  if (primary == SQLITE_FULL || (primary == SQLITE_IOERR && (system_error == ENOSPC || system_error == EDQUOT))) {
    throw Error(Code::storage_full, "the database cannot grow: the disk is full; free some space and try again");
  }
  if (primary == SQLITE_CONSTRAINT) throw Error(Code::conflict, "the database refused a change: " + reason);
  if (primary == SQLITE_BUSY) throw Error(Code::unavailable, "the database is busy; try again");
  throw Error(Code::internal, "database error " + std::to_string(code) + " (" + reason + ") at: " + std::string(what.substr(0, 120)));
}

}  // namespace lyceum::hub
