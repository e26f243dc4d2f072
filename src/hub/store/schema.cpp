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
    // Identity and the social side: fine-grained tokens, OAuth, sessions that end with their token, follows, likes, collections,
    // access requests, the audit log. Whoever administered an organisation becomes an owner of it.
    R"sql(
UPDATE members SET role = 'owner' WHERE role = 'admin';
CREATE TABLE oauth_grants (
  id INTEGER PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  client_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX oauth_grants_by_user ON oauth_grants(user_id);
CREATE TABLE oauth_refresh_tokens (
  hash BLOB PRIMARY KEY,
  grant_id INTEGER NOT NULL REFERENCES oauth_grants(id) ON DELETE CASCADE,
  expires_ms INTEGER NOT NULL,
  used_ms INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_refresh_tokens_by_grant ON oauth_refresh_tokens(grant_id);
CREATE TABLE device_logins (
  device_hash BLOB PRIMARY KEY,
  user_code TEXT NOT NULL UNIQUE,
  client_id TEXT NOT NULL,
  address TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  polled_ms INTEGER NOT NULL DEFAULT 0,
  interval_ms INTEGER NOT NULL,
  status TEXT NOT NULL,
  scope TEXT NOT NULL DEFAULT '',
  user_id INTEGER REFERENCES accounts(id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
ALTER TABLE tokens ADD COLUMN expires_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN oauth_grant INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN reads_gated INTEGER NOT NULL DEFAULT 0;
CREATE TABLE token_grants (
  id INTEGER PRIMARY KEY,
  token_id INTEGER NOT NULL REFERENCES tokens(id) ON DELETE CASCADE,
  repo_id INTEGER REFERENCES repos(id) ON DELETE CASCADE,
  owner_id INTEGER REFERENCES accounts(id) ON DELETE CASCADE,
  permissions INTEGER NOT NULL
) STRICT;
CREATE INDEX token_grants_by_token ON token_grants(token_id);
CREATE INDEX token_grants_by_repo ON token_grants(repo_id);
CREATE INDEX token_grants_by_owner ON token_grants(owner_id);
ALTER TABLE sessions ADD COLUMN token_id INTEGER REFERENCES tokens(id) ON DELETE CASCADE;
ALTER TABLE sessions ADD COLUMN used_ms INTEGER NOT NULL DEFAULT 0;
CREATE INDEX sessions_by_user ON sessions(user_id);
CREATE INDEX sessions_by_token ON sessions(token_id);
CREATE TABLE follows (
  follower_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  followed_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  created_ms INTEGER NOT NULL,
  PRIMARY KEY (follower_id, followed_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX follows_by_followed ON follows(followed_id, follower_id);
CREATE TABLE likes (
  user_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  repo_id INTEGER NOT NULL REFERENCES repos(id) ON DELETE CASCADE,
  created_ms INTEGER NOT NULL,
  PRIMARY KEY (user_id, repo_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX likes_by_repo ON likes(repo_id, created_ms);
CREATE TABLE collections (
  id INTEGER PRIMARY KEY,
  public_id TEXT NOT NULL UNIQUE,
  owner_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  slug TEXT NOT NULL,
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  theme TEXT NOT NULL,
  is_private INTEGER NOT NULL,
  position INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  modified_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX collections_by_owner ON collections(owner_id, position);
CREATE INDEX collections_by_modified ON collections(modified_ms DESC);
CREATE TABLE collection_items (
  id INTEGER PRIMARY KEY,
  public_id TEXT NOT NULL UNIQUE,
  collection_id INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
  repo_id INTEGER REFERENCES repos(id) ON DELETE CASCADE,
  target_id INTEGER REFERENCES collections(id) ON DELETE CASCADE,
  note TEXT NOT NULL,
  position INTEGER NOT NULL,
  UNIQUE (collection_id, repo_id),
  UNIQUE (collection_id, target_id)
) STRICT;
CREATE INDEX collection_items_by_repo ON collection_items(repo_id);
CREATE INDEX collection_items_by_target ON collection_items(target_id);
CREATE TABLE collection_upvotes (
  collection_id INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
  user_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  PRIMARY KEY (collection_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX collection_upvotes_by_user ON collection_upvotes(user_id);
CREATE TABLE access_requests (
  id INTEGER PRIMARY KEY,
  public_id TEXT NOT NULL UNIQUE,
  repo_id INTEGER NOT NULL REFERENCES repos(id) ON DELETE CASCADE,
  user_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  status TEXT NOT NULL,
  fields TEXT NOT NULL,
  granted INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '',
  created_ms INTEGER NOT NULL,
  UNIQUE (repo_id, user_id)
) STRICT;
CREATE INDEX access_requests_by_user ON access_requests(user_id);
CREATE TABLE audit (
  sequence INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  user_id INTEGER NOT NULL,
  token_id INTEGER NOT NULL,
  user_name TEXT NOT NULL,
  address TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  details TEXT NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_by_user ON audit(user_name, sequence);
CREATE INDEX audit_by_target ON audit(target, sequence);
CREATE TABLE audit_head (
  id INTEGER PRIMARY KEY,
  sequence INTEGER NOT NULL,
  hash BLOB
) STRICT;
INSERT INTO audit_head (id, sequence) VALUES (1, 0);
)sql",
    // Discussions and pull requests, LFS locks, webhooks, sizes for quotas.
    R"sql(
CREATE TABLE discussions (
  repo_id INTEGER NOT NULL REFERENCES repos(id) ON DELETE CASCADE,
  num INTEGER NOT NULL,
  title TEXT NOT NULL,
  status TEXT NOT NULL,
  is_pull_request INTEGER NOT NULL,
  author_id INTEGER REFERENCES accounts(id) ON DELETE SET NULL,
  merge_commit TEXT NOT NULL DEFAULT '',
  comments INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL,
  PRIMARY KEY (repo_id, num)
) STRICT, WITHOUT ROWID;
CREATE INDEX discussions_by_author ON discussions(author_id);
CREATE TABLE discussion_events (
  id TEXT PRIMARY KEY,
  repo_id INTEGER NOT NULL,
  num INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  type TEXT NOT NULL,
  author_id INTEGER REFERENCES accounts(id) ON DELETE SET NULL,
  created_ms INTEGER NOT NULL,
  data TEXT NOT NULL,
  UNIQUE (repo_id, num, seq),
  FOREIGN KEY (repo_id, num) REFERENCES discussions(repo_id, num) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX discussion_events_by_author ON discussion_events(author_id);
CREATE TABLE lfs_locks (
  id TEXT PRIMARY KEY,
  repo_id INTEGER NOT NULL REFERENCES repos(id) ON DELETE CASCADE,
  path TEXT NOT NULL,
  owner_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  locked_ms INTEGER NOT NULL,
  UNIQUE (repo_id, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX lfs_locks_by_owner ON lfs_locks(owner_id);
CREATE TABLE webhooks (
  id TEXT PRIMARY KEY,
  owner_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  url TEXT NOT NULL,
  secret TEXT NOT NULL,
  base_url TEXT NOT NULL,
  watched TEXT NOT NULL,
  domains TEXT NOT NULL,
  disabled INTEGER NOT NULL DEFAULT 0,
  disabled_reason TEXT NOT NULL DEFAULT '',
  failures INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX webhooks_by_owner ON webhooks(owner_id);
CREATE TABLE webhook_watches (
  type TEXT NOT NULL,
  name TEXT NOT NULL COLLATE NOCASE,
  webhook_id TEXT NOT NULL REFERENCES webhooks(id) ON DELETE CASCADE,
  PRIMARY KEY (type, name, webhook_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_watches_by_webhook ON webhook_watches(webhook_id);
CREATE TABLE webhook_deliveries (
  id TEXT PRIMARY KEY,
  webhook_id TEXT NOT NULL REFERENCES webhooks(id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  payload TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  http_status INTEGER NOT NULL DEFAULT 0,
  answer TEXT NOT NULL DEFAULT '',
  created_ms INTEGER NOT NULL,
  next_ms INTEGER NOT NULL,
  finished_ms INTEGER NOT NULL DEFAULT 0,
  UNIQUE (webhook_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries(state, next_ms);
ALTER TABLE blobs ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE repo_blobs ADD COLUMN linked_ms INTEGER NOT NULL DEFAULT 0;
)sql",
    // Catalogue and downloads. Lists are answered from the index in memory (hub/search), so the indexes of sort keys and the table of
    // tags, which cost an import most of its time, go. A row of repos with an empty head is an entry without a git repository.
    R"sql(
CREATE TABLE catalogue (
  repo_id INTEGER PRIMARY KEY REFERENCES repos(id) ON DELETE CASCADE,
  facts_head TEXT NOT NULL DEFAULT '',
  parameters INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  downloads_all INTEGER NOT NULL DEFAULT 0,
  trending INTEGER NOT NULL DEFAULT 0,
  runnable INTEGER NOT NULL DEFAULT 0,
  adapter INTEGER NOT NULL DEFAULT 0,
  words TEXT NOT NULL DEFAULT '',
  details TEXT NOT NULL DEFAULT '{}'
) STRICT;
INSERT INTO catalogue (repo_id, downloads_all) SELECT id, downloads FROM repos;
CREATE TABLE downloads_daily (
  repo_id INTEGER NOT NULL REFERENCES repos(id) ON DELETE CASCADE,
  day INTEGER NOT NULL,
  counted INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  automatic INTEGER NOT NULL,
  weight_bytes INTEGER NOT NULL,
  clients BLOB NOT NULL,
  PRIMARY KEY (repo_id, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX downloads_by_day ON downloads_daily(day);
CREATE TABLE catalogue_changes (
  id INTEGER PRIMARY KEY,
  repo_id INTEGER NOT NULL,
  changed_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX catalogue_changes_by_time ON catalogue_changes(changed_ms);
DROP TABLE repo_tags;
DROP INDEX repos_by_modified;
DROP INDEX repos_by_downloads;
)sql",
    // OAuth applications (authorization code grant).
    R"sql(
CREATE TABLE oauth_apps (
  id INTEGER PRIMARY KEY,
  client_id TEXT NOT NULL UNIQUE,
  user_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  homepage TEXT NOT NULL,
  redirect_uris TEXT NOT NULL,
  secret_hash BLOB NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX oauth_apps_by_user ON oauth_apps(user_id);
CREATE TABLE oauth_codes (
  hash BLOB PRIMARY KEY,
  app_id INTEGER NOT NULL REFERENCES oauth_apps(id) ON DELETE CASCADE,
  user_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  redirect_uri TEXT NOT NULL,
  scopes TEXT NOT NULL,
  organisations TEXT NOT NULL,
  challenge TEXT NOT NULL,
  nonce TEXT NOT NULL,
  issuer TEXT NOT NULL,
  expires_ms INTEGER NOT NULL,
  grant_id INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_codes_by_app ON oauth_codes(app_id);
CREATE INDEX oauth_codes_by_user ON oauth_codes(user_id);
CREATE INDEX oauth_codes_by_end ON oauth_codes(expires_ms);
CREATE INDEX oauth_grants_by_client ON oauth_grants(client_id);
CREATE INDEX tokens_by_grant ON tokens(oauth_grant);
ALTER TABLE tokens ADD COLUMN oauth_scopes TEXT NOT NULL DEFAULT '';
)sql",
    // Jobs. The inputs have no foreign key: a job outlives its data, and says so.
    R"sql(
CREATE TABLE jobs (
  id INTEGER PRIMARY KEY,
  public_id TEXT NOT NULL UNIQUE,
  owner_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  user_id INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,
  plan_only INTEGER NOT NULL,
  base_repo_id INTEGER NOT NULL,
  data_repo_id INTEGER NOT NULL,
  wanted TEXT NOT NULL,
  labels TEXT NOT NULL,
  state TEXT NOT NULL,
  stop_asked INTEGER NOT NULL DEFAULT 0,
  starts INTEGER NOT NULL DEFAULT 0,
  message TEXT NOT NULL DEFAULT '',
  result TEXT NOT NULL DEFAULT '',
  created_ms INTEGER NOT NULL,
  queued_ms INTEGER NOT NULL,
  started_ms INTEGER NOT NULL DEFAULT 0,
  finished_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX jobs_by_owner ON jobs(owner_id, id);
CREATE INDEX jobs_by_user ON jobs(user_id);
CREATE INDEX jobs_by_state ON jobs(state, queued_ms);
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
