#include "hub/store/database.h"

#include <cerrno>

#include "base/error.h"

namespace lyceum::hub {

Rows::~Rows() {
  if (owned_) {
    sqlite3_finalize(statement_);
    return;
  }
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

bool Rows::step() {
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  database_.fail(result, sqlite3_sql(statement_));
}

std::string Rows::text(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), static_cast<size_t>(size));
}

Database::Database(const std::filesystem::path& path, Access access) {
  sqlite3* raw = nullptr;
  const int flags = (access == Access::read_write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX;
  const int result = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  handle_.reset(raw);
  if (result != SQLITE_OK) fail(result, "open " + path.string());
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, 10'000);
  execute("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000; PRAGMA trusted_schema = OFF;");
  if (access == Access::read_write) execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  else execute("PRAGMA query_only = ON;");
}

void Database::execute(const char* script) {
  const int result = sqlite3_exec(handle_.get(), script, nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) fail(result, script);
}

Rows Database::query_list(std::string_view sql, const std::vector<std::string>& values) {
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v2(handle_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (result != SQLITE_OK) fail(result, sql);
  for (size_t i = 0; i < values.size(); ++i) bind(statement, static_cast<int>(i) + 1, std::string_view(values[i]));
  return Rows(*this, statement, true);
}

sqlite3_stmt* Database::prepare(std::string_view sql) {
  const std::string key(sql);
  const auto found = cache_.find(key);
  if (found != cache_.end() && sqlite3_stmt_busy(found->second.get()) == 0) return found->second.get();
  sqlite3_stmt* raw = nullptr;
  const int result = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (result != SQLITE_OK) fail(result, sql);
  LYCEUM_CHECK(found == cache_.end(), "a statement is not run again while its rows are being read");
  cache_.emplace(key, raw);
  return raw;
}

void Database::bind(sqlite3_stmt* statement, int index, std::string_view value) {
  sqlite3_bind_text64(statement, index, value.data() == nullptr ? "" : value.data(), value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void Database::bind(sqlite3_stmt* statement, int index, Blob value) {
  if (value.bytes.empty()) sqlite3_bind_zeroblob(statement, index, 0);
  else sqlite3_bind_blob64(statement, index, value.bytes.data(), value.bytes.size(), SQLITE_TRANSIENT);
}

void Database::fail(int code, std::string_view what) const {
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
