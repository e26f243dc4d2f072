#include "hub/store/postgres_database.h"

#include <endian.h>

#include <bit>
#include <charconv>
#include <cstring>

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "hub/store/dialect.h"

namespace lyceum::hub {
namespace {

// Type numbers of PostgreSQL's catalogue (pg_type.dat), which never change.
constexpr Oid kBool = 16, kBytea = 17, kInt8 = 20, kText = 25, kFloat8 = 701;

// A statement that outlives these on the server is stuck, and a transaction whose process hangs must not block the others.
constexpr const char* kSession =
    "SET synchronous_commit = on; SET client_min_messages = warning; SET lock_timeout = '30s'; "
    "SET idle_in_transaction_session_timeout = '60s'; SET statement_timeout = '300s';";

std::string trimmed(const char* text) {
  std::string out = text == nullptr ? "" : text;
  for (char& c : out) {
    if (c == '\n') c = ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string from_bytea(std::string_view text) {
  if (!text.starts_with("\\x")) throw Error(Code::internal, "the database server sent bytes in an unknown form; set bytea_output to hex");
  return find_from_hex(text.substr(2)).value_or(std::string());
}

Code code_of(std::string_view state) {
  if (state.starts_with("23")) return Code::conflict;
  if (state == "53100") return Code::storage_full;
  if (state.starts_with("08") || state.starts_with("53") || state.starts_with("57") || state.starts_with("40") || state == "55P03") return Code::unavailable;
  if (state == "22021" || state == "22P05") return Code::invalid_argument;
  return Code::internal;
}

std::string message_for(Code code, std::string_view state, const std::string& reason, std::string_view what) {
  switch (code) {
    case Code::conflict: return "the database refused a change: " + reason;
    case Code::storage_full: return "the database cannot grow: the disk of its server is full; free some space and try again";
    case Code::unavailable: return "the database is busy or restarting (" + reason + "); try again";
    case Code::invalid_argument: return "text must be valid UTF-8 without zero bytes (" + reason + ")";
    default: return "database error " + std::string(state) + " (" + reason + ") at: " + std::string(what.substr(0, 200));
  }
}

}  // namespace

// The parameters of one call in libpq's form: numbers as eight big-endian bytes, text and bytes as they are.
struct PostgresDatabase::Bound {
  explicit Bound(std::span<const Value> values) : numbers(values.size()) {
    for (size_t i = 0; i < values.size(); ++i) add(values[i], numbers[i]);
  }
  void add(const Value& value, uint64_t& number) {
    Oid type = 0;
    const char* data = value.text.data() == nullptr ? "" : value.text.data();
    size_t length = value.text.size();
    switch (value.kind) {
      case Value::Kind::null: data = nullptr; break;
      case Value::Kind::integer: type = kInt8; number = htobe64(static_cast<uint64_t>(value.integer)); break;
      case Value::Kind::real: type = kFloat8; number = htobe64(std::bit_cast<uint64_t>(value.real)); break;
      case Value::Kind::text: type = kText; break;
      case Value::Kind::blob: type = kBytea; break;
    }
    if (type == kInt8 || type == kFloat8) {
      data = reinterpret_cast<const char*>(&number);
      length = sizeof number;
    }
    types.push_back(type);
    datas.push_back(data);
    lengths.push_back(static_cast<int>(length));
    formats.push_back(1);
  }
  int count() const noexcept { return static_cast<int>(types.size()); }
  std::string key(std::string_view sql) const {
    std::string out(sql);
    for (const Oid type : types) out += "," + std::to_string(type);
    return out;
  }
  std::vector<uint64_t> numbers;
  std::vector<Oid> types;
  std::vector<const char*> datas;
  std::vector<int> lengths, formats;
};

class PostgresDatabase::ResultCursor final : public Cursor {
 public:
  explicit ResultCursor(Result result) : result_(std::move(result)), rows_(PQntuples(result_.get())) {}

  bool step() override { return ++row_ < rows_; }
  int64_t get_integer(int column) const override {
    const std::string_view text = get(column);
    if (PQftype(result_.get(), column) == kBool) return text == "t" ? 1 : 0;
    int64_t out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
  }
  double get_real(int column) const override {
    const std::string_view text = get(column);
    double out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
  }
  std::string get_text(int column) const override {
    if (is_null(column)) return {};
    return PQftype(result_.get(), column) == kBytea ? from_bytea(get(column)) : std::string(get(column));
  }
  bool is_null(int column) const override { return PQgetisnull(result_.get(), row_, column) != 0; }
  int64_t changes() const override {
    const std::string_view text = PQcmdTuples(result_.get());
    int64_t out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
  }

 private:
  std::string_view get(int column) const {
    return {PQgetvalue(result_.get(), row_, column), static_cast<size_t>(PQgetlength(result_.get(), row_, column))};
  }
  Result result_;
  const int rows_;
  int row_ = -1;
};

PostgresDatabase::PostgresDatabase(const std::string& url, Access access) : access_(access) {
  // Values after the URL's own win over it only where it says nothing: libpq takes the last of each keyword, so the URL comes last.
  const char* const keys[] = {"connect_timeout", "tcp_user_timeout", "keepalives_idle", "application_name", "dbname", nullptr};
  const char* const values[] = {"10", "30000", "20", "lyceum", url.c_str(), nullptr};
  connection_.reset(PQconnectdbParams(keys, values, 1));
  if (!connection_) throw std::bad_alloc();
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    throw Error(Code::unavailable, "cannot reach the database: " + trimmed(PQerrorMessage(connection_.get())) + "; check the setting --database and that PostgreSQL runs",
                std::string(kLostTag));
  }
  set_up(access);
}

// A connection that broke just after it was made says nothing true about the server.
void PostgresDatabase::require_connection() const {
  if (PQstatus(connection_.get()) == CONNECTION_OK) return;
  throw Error(Code::unavailable, "the connection to the database broke: " + trimmed(PQerrorMessage(connection_.get())) + "; try again", std::string(kLostTag));
}

void PostgresDatabase::set_up(Access access) {
  if (PQserverVersion(connection_.get()) < 150000) {
    require_connection();
    throw Error(Code::unsupported, "the database server is older than PostgreSQL 15");
  }
  const bool is_set = PQsetClientEncoding(connection_.get(), "UTF8") == 0;
  const char* const encoding = PQparameterStatus(connection_.get(), "server_encoding");
  if (!is_set || encoding == nullptr || std::string_view(encoding) != "UTF8") {
    require_connection();
    throw Error(Code::invalid_argument, "the database must have the encoding UTF8; create it with: createdb -E UTF8 -T template0 NAME");
  }
  PQsetNoticeProcessor(connection_.get(), [](void*, const char* message) { log::warn("PostgreSQL: {}", trimmed(message)); }, nullptr);
  execute(kSession);
  if (access == Access::read_only) execute("SET default_transaction_read_only = on");
}

void PostgresDatabase::reconnect() {
  statements_.clear();
  PQreset(connection_.get());
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    throw Error(Code::unavailable, "the database cannot be reached: " + trimmed(PQerrorMessage(connection_.get())), std::string(kLostTag));
  }
  set_up(access_);
}

bool PostgresDatabase::usable() const noexcept { return PQstatus(connection_.get()) == CONNECTION_OK && PQtransactionStatus(connection_.get()) == PQTRANS_IDLE; }

bool PostgresDatabase::in_transaction() const noexcept {
  const PGTransactionStatusType status = PQtransactionStatus(connection_.get());
  return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

void PostgresDatabase::execute(const std::string& script) {
  const Result result(PQexec(connection_.get(), script.c_str()));
  require_success(result.get(), script);
}

void PostgresDatabase::commit() {
  const Result result(PQexec(connection_.get(), "COMMIT"));
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    throw Error(Code::unavailable, "the connection to the database broke while a change was being saved; look whether it is there before trying again");
  }
  require_success(result.get(), "COMMIT");
  if (std::string_view(PQcmdStatus(result.get())) != "COMMIT") throw Error(Code::internal, "the database rolled back a transaction in which a statement had failed");
}

void PostgresDatabase::rollback() noexcept {
  if (in_transaction()) PQclear(PQexec(connection_.get(), "ROLLBACK"));
}

std::unique_ptr<Cursor> PostgresDatabase::start(std::string_view sql, std::span<const Value> values, bool cached) {
  const Bound bound(values);
  const bool alone = access_ == Access::read_only && !in_transaction();
  try {
    return std::make_unique<ResultCursor>(run_bound(sql, bound, cached));
  } catch (const Error& error) {
    // The server was restarted since the connection was last used. A lone read can simply be run again.
    if (!alone || error.tag() != kLostTag) throw;
    reconnect();
    return std::make_unique<ResultCursor>(run_bound(sql, bound, cached));
  }
}

PostgresDatabase::Result PostgresDatabase::run_bound(std::string_view sql, const Bound& bound, bool cached) {
  Result result;
  if (cached) {
    const std::string& name = prepare(sql, bound);
    result.reset(PQexecPrepared(connection_.get(), name.c_str(), bound.count(), bound.datas.data(), bound.lengths.data(), bound.formats.data(), 0));
  } else {
    result.reset(PQexecParams(connection_.get(), translate_statement(sql).c_str(), bound.count(), bound.types.data(), bound.datas.data(),
                              bound.lengths.data(), bound.formats.data(), 0));
  }
  require_success(result.get(), sql);
  return result;
}

const std::string& PostgresDatabase::prepare(std::string_view sql, const Bound& bound) {
  constexpr size_t kCachedMax = 1000;
  std::string key = bound.key(sql);
  if (const auto found = statements_.find(key); found != statements_.end()) return found->second;
  if (statements_.size() >= kCachedMax) {
    execute("DEALLOCATE ALL");
    statements_.clear();
  }
  const std::string name = "s" + std::to_string(statements_.size());
  const Result result(PQprepare(connection_.get(), name.c_str(), translate_statement(sql).c_str(), bound.count(), bound.types.data()));
  require_success(result.get(), sql);
  return statements_.emplace(std::move(key), name).first->second;
}

void PostgresDatabase::require_success(const PGresult* result, std::string_view what) const {
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY) fail(result, what);
}

void PostgresDatabase::fail(const PGresult* result, std::string_view what) const {
  const char* const field = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* const primary = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const std::string state = field == nullptr ? "" : field;
  const std::string reason = primary == nullptr ? trimmed(PQerrorMessage(connection_.get())) : std::string(primary);
  if (PQstatus(connection_.get()) != CONNECTION_OK || state.starts_with("57P")) {
    throw Error(Code::unavailable, message_for(Code::unavailable, state, reason, what), std::string(kLostTag));
  }
  const Code code = code_of(state);
  throw Error(code, message_for(code, state, reason, what), state == "40001" || state == "40P01" ? std::string(kRetryTag) : std::string());
}

}  // namespace lyceum::hub
