// postgres_database.h: a connection to PostgreSQL 15 over libpq: prepared statements, results read whole, SQLSTATE to Error.
//
// Whole results on purpose: other statements may run on the connection while rows are being read, as with SQLite.
// The connection string, which may hold a password, never gets into a message.
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <string>
#include <unordered_map>

#include "hub/store/database.h"

namespace lyceum::hub {

class PostgresDatabase final : public Database {
 public:
  // url: postgresql://user:password@host:port/database?… Error(unavailable) if the server cannot be reached,
  // Error(invalid_argument) for a database that cannot hold a hub (not UTF-8).
  PostgresDatabase(const std::string& url, Access access);

  Engine engine() const noexcept override { return Engine::postgresql; }
  void execute(const std::string& script) override;
  void begin() override { execute("BEGIN ISOLATION LEVEL SERIALIZABLE"); }
  // If the connection breaks now, nobody can tell whether the transaction was kept: Error(unavailable) without kLostTag.
  void commit() override;
  void rollback() noexcept override;
  bool usable() const noexcept override;
  std::vector<std::string> find_damage() override { return {}; }  // PostgreSQL guards pages and keys itself (checksums, constraints)

 protected:
  std::unique_ptr<Cursor> start(std::string_view sql, std::span<const Value> values, bool cached) override;

 private:
  struct Finish {
    void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
  };
  struct Clear {
    void operator()(PGresult* result) const noexcept { PQclear(result); }
  };
  using Result = std::unique_ptr<PGresult, Clear>;
  class ResultCursor;
  struct Bound;

  void set_up(Access access);
  void require_connection() const;
  const std::string& prepare(std::string_view sql, const Bound& bound);
  Result run_bound(std::string_view sql, const Bound& bound, bool cached);
  void require_success(const PGresult* result, std::string_view what) const;
  [[noreturn]] void fail(const PGresult* result, std::string_view what) const;
  bool in_transaction() const noexcept;
  void reconnect();

  const Access access_;
  std::unique_ptr<PGconn, Finish> connection_;
  std::unordered_map<std::string, std::string> statements_;  // text and parameter types -> name on the server
};

}  // namespace lyceum::hub
