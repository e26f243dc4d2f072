#include "hub/store/schema.h"

#include <string>

#include "base/error.h"
#include "hub/store/dialect.h"

namespace lyceum::hub {
namespace {

// A migration is one script in the portable subset (dialect.h), or, where an engine needs its own, one for each.
struct Migration {
  constexpr Migration(const char* portable) : sqlite(portable) {}  // NOLINT: a string literal is a migration
  constexpr Migration(const char* for_sqlite, const char* for_postgresql) : sqlite(for_sqlite), postgresql(for_postgresql) {}
  const char* sqlite;
  const char* postgresql = nullptr;  // null: translated from the other
};

// Object ids and digests are raw bytes (half the size of hexadecimal). Names compare without case, so that no two
// repositories differ only in case (they would collide in clients' caches on some systems).
constexpr Migration kMigrations[] = {
    // 1: the first schema.
    R"sql(
CREATE TABLE accounts (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  is_organisation INTEGER NOT NULL,
  full_name TEXT NOT NULL,
  email TEXT NOT NULL DEFAULT '',
  password_hash TEXT NOT NULL DEFAULT '',
  administrator INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE members (
  organisation_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  user_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  role TEXT NOT NULL,
  PRIMARY KEY (user_id, organisation_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_organisation ON members(organisation_id);
CREATE TABLE tokens (
  id INTEGER PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  scope TEXT NOT NULL,
  hash BLOB NOT NULL UNIQUE,
  created_ms INTEGER NOT NULL,
  last_used_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX tokens_by_user ON tokens(user_id);
CREATE TABLE sessions (
  hash BLOB PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE repos (
  id INTEGER PRIMARY KEY,
  public_id TEXT NOT NULL UNIQUE,
  type INTEGER NOT NULL,
  owner_id INTEGER NOT NULL REFERENCES accounts(id),
  owner TEXT NOT NULL COLLATE NOCASE,
  name TEXT NOT NULL COLLATE NOCASE,
  is_private INTEGER NOT NULL,
  disabled INTEGER NOT NULL DEFAULT 0,
  gated TEXT NOT NULL DEFAULT '',
  sdk TEXT NOT NULL DEFAULT '',
  head TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  modified_ms INTEGER NOT NULL,
  downloads INTEGER NOT NULL DEFAULT 0,
  likes INTEGER NOT NULL DEFAULT 0,
  card TEXT NOT NULL DEFAULT '{}',
  tags TEXT NOT NULL DEFAULT '[]',
  pipeline_tag TEXT NOT NULL DEFAULT '',
  library_name TEXT NOT NULL DEFAULT '',
  refs_pending INTEGER NOT NULL DEFAULT 0,
  push_pending INTEGER NOT NULL DEFAULT 0,
  UNIQUE (type, owner, name)
) STRICT;
CREATE INDEX repos_by_modified ON repos(type, modified_ms DESC);
CREATE INDEX repos_by_downloads ON repos(type, downloads DESC);
CREATE INDEX repos_by_owner ON repos(owner_id);
CREATE INDEX repos_pending ON repos(id) WHERE refs_pending <> 0 OR push_pending <> 0;
CREATE TABLE repo_tags (
  tag TEXT NOT NULL COLLATE NOCASE,
  repo_id INTEGER NOT NULL REFERENCES repos(id) ON DELETE CASCADE,
  PRIMARY KEY (tag, repo_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX repo_tags_by_repo ON repo_tags(repo_id);
CREATE TABLE repo_aliases (
  type INTEGER NOT NULL,
  owner TEXT NOT NULL COLLATE NOCASE,
  name TEXT NOT NULL COLLATE NOCASE,
  repo_id INTEGER NOT NULL REFERENCES repos(id) ON DELETE CASCADE,
  PRIMARY KEY (type, owner, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX repo_aliases_by_repo ON repo_aliases(repo_id);
CREATE TABLE refs (
  repo_id INTEGER NOT NULL REFERENCES repos(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  target TEXT NOT NULL,
  commit_id TEXT NOT NULL,
  PRIMARY KEY (repo_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE blobs (
  id INTEGER PRIMARY KEY,
  sha256 BLOB NOT NULL UNIQUE
) STRICT;
CREATE TABLE repo_blobs (
  repo_id INTEGER NOT NULL REFERENCES repos(id) ON DELETE CASCADE,
  blob_id INTEGER NOT NULL REFERENCES blobs(id),
  PRIMARY KEY (repo_id, blob_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX repo_blobs_by_blob ON repo_blobs(blob_id);
CREATE TABLE xet_files (
  hash BLOB PRIMARY KEY,
  blob_id INTEGER NOT NULL REFERENCES blobs(id),
  size INTEGER NOT NULL,
  terms BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX xet_files_by_blob ON xet_files(blob_id);
CREATE TABLE xet_xorbs (
  hash BLOB PRIMARY KEY,
  chunks BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE xet_chunks (
  hash BLOB PRIMARY KEY,
  blob_id INTEGER NOT NULL REFERENCES blobs(id),
  "offset" INTEGER NOT NULL,
  length INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE settings (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
)sql",
};

// The collation of NOCASE columns on PostgreSQL: letters that differ only in case are equal.
constexpr const char* kPrepareServer =
    "CREATE COLLATION IF NOT EXISTS nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
    "CREATE TABLE IF NOT EXISTS schema_version (only_row BIGINT PRIMARY KEY CHECK (only_row = 1), version BIGINT NOT NULL);"
    "INSERT INTO schema_version (only_row, version) VALUES (1, 0) ON CONFLICT DO NOTHING;";

int64_t read_number(Database& database, const char* sql) {
  Rows rows = database.query(sql);
  return rows.step() ? rows.integer(0) : 0;
}

void refuse_newer(int64_t version) {
  if (version <= schema_version()) return;
  throw Error(Code::unsupported, "the database has schema version " + std::to_string(version) + ", this program knows up to " +
                                     std::to_string(schema_version()) + "; run a newer Lyceum");
}

void migrate_sqlite(Database& database) {
  int64_t version = read_number(database, "PRAGMA user_version");
  refuse_newer(version);
  for (; version < schema_version(); ++version) {
    database.execute("BEGIN IMMEDIATE;" + std::string(kMigrations[version].sqlite) + "PRAGMA user_version = " + std::to_string(version + 1) + ";COMMIT;");
  }
}

// In one transaction, and one process at a time: several hubs may start on one database together.
void migrate_postgresql(Database& database) {
  constexpr int64_t kMigrationLock = 0x4c79'6365'756d;  // any number that is the same in every Lyceum
  database.execute("BEGIN");
  try {
    database.run("SELECT pg_advisory_xact_lock(?)", kMigrationLock);
    database.execute(kPrepareServer);
    int64_t version = read_number(database, "SELECT version FROM schema_version");
    refuse_newer(version);
    for (; version < schema_version(); ++version) {
      const Migration& migration = kMigrations[version];
      database.execute(migration.postgresql != nullptr ? std::string(migration.postgresql) : translate_schema(migration.sqlite));
    }
    database.run("UPDATE schema_version SET version = ?", schema_version());
    database.commit();
  } catch (...) {
    database.rollback();
    throw;
  }
}

}  // namespace

int schema_version() { return static_cast<int>(std::size(kMigrations)); }

void migrate(Database& database) {
  if (database.engine() == Engine::sqlite) migrate_sqlite(database);
  else migrate_postgresql(database);
}

}  // namespace lyceum::hub
