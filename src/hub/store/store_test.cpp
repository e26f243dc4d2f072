// One contract for every engine of the metadata store. PostgreSQL joins in when LYCEUM_TEST_POSTGRES names one (tests/with_servers.py).
#include "hub/store/store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "base/random.h"
#include "hub/store/dialect.h"
#include "hub/store/locks.h"
#include "hub/store/schema.h"
#include "hub/test_options.h"

namespace lyceum::hub {
namespace {

std::vector<std::string> engines() {
  if (environment("LYCEUM_TEST_POSTGRES").empty()) return {"sqlite"};
  return {"sqlite", "postgresql"};
}

class StoreContract : public ::testing::TestWithParam<std::string> {
 protected:
  StoreContract() {
    options.target = GetParam() == "sqlite" ? (folder.path() / "store.db").string() : test_postgres(folder.path().string());
    store = std::make_unique<Store>(options);
  }
  int64_t add_account(const std::string& name) {
    int64_t id = 0;
    store->write([&](Database& database) {
      id = database.insert("INSERT INTO accounts (name, is_organisation, full_name, created_ms) VALUES (?, ?, ?, ?) RETURNING id", name, false, name, 1);
    });
    return id;
  }
  int64_t count_accounts() {
    const auto reader = store->read();
    Rows rows = reader->query("SELECT count(*) FROM accounts");
    rows.step();
    return rows.integer(0);
  }
  Code code_of(const std::function<void(Database&)>& change) {
    try {
      store->write(change);
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << "no error was thrown";
    return Code::internal;
  }
  TempFolder folder;
  StoreOptions options;
  std::unique_ptr<Store> store;
};

TEST_P(StoreContract, InsertsManyRows) {
  for (const size_t count : {0, 1, 255, 256, 257, 600}) {
    std::vector<std::string> names;
    for (size_t i = 0; i < count; ++i) names.push_back("u" + std::to_string(count) + "-" + std::to_string(i));
    std::vector<Value> values;
    for (const std::string& name : names) values.insert(values.end(), {name, 0, name, 1});
    const int64_t before = count_accounts();
    const auto add = [&](Database& database) {
      database.insert_rows("INSERT INTO accounts (name, is_organisation, full_name, created_ms) VALUES", 4, values, "ON CONFLICT DO NOTHING");
    };
    store->write(add);
    store->write(add);  // every row is there already
    EXPECT_EQ(count_accounts() - before, static_cast<int64_t>(count));
  }
}

TEST_P(StoreContract, KeepsEveryKindOfValue) {
  const std::string bytes("\0\x01\xff'\"\\?", 7);
  const std::string text = "Ünï ?1 'quoted' \\ $1";
  store->write([&](Database& database) {
    const int64_t account = database.insert("INSERT INTO accounts (name, is_organisation, full_name, created_ms) VALUES (?, ?, ?, ?) RETURNING id", "a", true, text, INT64_MIN);
    database.run("INSERT INTO tokens (user_id, name, scope, hash, created_ms) VALUES (?1, ?2, ?2, ?3, ?4)", account, "", Blob{bytes}, INT64_MAX);
  });
  store = std::make_unique<Store>(options);
  const auto reader = store->read();
  Rows rows = reader->query("SELECT a.is_organisation, a.full_name, a.created_ms, t.name, t.hash, t.created_ms, NULL FROM accounts a JOIN tokens t ON t.user_id = a.id");
  ASSERT_TRUE(rows.step());
  EXPECT_TRUE(rows.boolean(0));
  EXPECT_EQ(rows.text(1), text);
  EXPECT_EQ(rows.integer(2), INT64_MIN);
  EXPECT_EQ(rows.text(3), "");
  EXPECT_FALSE(rows.is_null(3));
  EXPECT_EQ(rows.text(4), bytes);
  EXPECT_EQ(rows.integer(5), INT64_MAX);
  EXPECT_TRUE(rows.is_null(6));
  EXPECT_FALSE(rows.step());
}

TEST_P(StoreContract, BindsEmptyBytesNullsAndRealNumbers) {
  const auto reader = store->read();
  Rows rows = reader->query("SELECT hash FROM tokens WHERE hash = ?", Blob{""});
  EXPECT_FALSE(rows.step());
  Rows real = reader->query("SELECT ? + 0.25, coalesce(?, 'was null')", 1.5, std::optional<std::string>());
  ASSERT_TRUE(real.step());
  EXPECT_EQ(real.real(0), 1.75);
  EXPECT_EQ(real.text(1), "was null");
}

TEST_P(StoreContract, CountsChangedRowsAndGivesIds) {
  const int64_t first = add_account("one");
  EXPECT_GT(add_account("two"), first);
  int64_t changed = 0, none = -1;
  store->write([&](Database& database) {
    changed = database.run("UPDATE accounts SET email = ? WHERE created_ms = 1", "x");
    none = database.run("DELETE FROM accounts WHERE name = ?", "nobody");
  });
  EXPECT_EQ(changed, 2);
  EXPECT_EQ(none, 0);
}

TEST_P(StoreContract, NamesIgnoreCase) {
  add_account("Alice");
  const auto reader = store->read();
  EXPECT_TRUE(reader->query("SELECT 1 FROM accounts WHERE name = ?", "aLICE").step());
  EXPECT_FALSE(reader->query("SELECT 1 FROM accounts WHERE full_name = ?", "aLICE").step());
  EXPECT_TRUE(reader->query("SELECT 1 FROM accounts WHERE name LIKE ? ESCAPE '\\'", "%LIC%").step());
  EXPECT_TRUE(reader->query("SELECT 1 FROM accounts WHERE (name || '/' || full_name) LIKE ?1", "alice/ALICE").step());
  EXPECT_EQ(code_of([](Database& database) {
    database.run("INSERT INTO accounts (name, is_organisation, full_name, created_ms) VALUES (?, 0, '', 0)", "ALICE");
  }), Code::conflict);
}

TEST_P(StoreContract, TextSortsByBytes) {
  store->write([](Database& database) {
    for (const char* key : {"a-b", "B", "a_b", "ä", "ab"}) database.run("INSERT INTO settings (key, value) VALUES (?, '')", key);
  });
  std::string order;
  const auto reader = store->read();
  Rows rows = reader->query("SELECT key FROM settings ORDER BY key");
  while (rows.step()) order += rows.text(0) + " ";
  EXPECT_EQ(order, "B a-b a_b ab ä ");
}

TEST_P(StoreContract, ThrowRollsBack) {
  EXPECT_THROW(store->write([&](Database& database) {
    database.run("INSERT INTO settings (key, value) VALUES ('k', 'v')");
    throw Error(Code::conflict, "no");
  }), Error);
  EXPECT_FALSE(store->read()->query("SELECT 1 FROM settings").step());
}

TEST_P(StoreContract, BrokenReferenceAndForeignTextAreRefused) {
  EXPECT_EQ(code_of([](Database& database) { database.run("INSERT INTO members (organisation_id, user_id, role) VALUES (1, 2, 'x')"); }), Code::conflict);
  EXPECT_EQ(code_of([](Database& database) { database.run("SELECT nonsense FROM nowhere"); }), Code::internal);
  add_account("still works");
  EXPECT_EQ(count_accounts(), 1);
}

TEST_P(StoreContract, ReadersCannotWrite) {
  const auto reader = store->read();
  EXPECT_THROW(reader->run("DELETE FROM accounts"), Error);
}

TEST_P(StoreContract, StatementsNestOnOneConnection) {
  for (const char* name : {"a", "b", "c"}) add_account(name);
  const auto reader = store->read();
  int pairs = 0;
  Rows outer = reader->query("SELECT name FROM accounts");
  while (outer.step()) {
    Rows inner = reader->query("SELECT name FROM accounts");
    while (inner.step()) ++pairs;
  }
  EXPECT_EQ(pairs, 9);
}

TEST_P(StoreContract, ListOfValuesIsBound) {
  for (const char* name : {"a", "b", "c"}) add_account(name);
  const auto reader = store->read();
  Rows rows = reader->query_list("SELECT name FROM accounts WHERE name IN (?1, ?2) AND full_name <> ?1 ORDER BY name", {"a", "C"});
  ASSERT_TRUE(rows.step());
  EXPECT_EQ(rows.text(0), "c");
  EXPECT_FALSE(rows.step());
}

// Check-then-act, as the hub does it: no update is lost, whatever runs at the same time.
TEST_P(StoreContract, TransactionsDoNotLoseEachOther) {
  store->write([](Database& database) { database.run("INSERT INTO settings (key, value) VALUES ('n', '0')"); });
  constexpr int kThreads = 4, kRounds = 15;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < kRounds; ++i) {
        store->write([](Database& database) {
          Rows rows = database.query("SELECT value FROM settings WHERE key = 'n'");
          rows.step();
          const std::string next = std::to_string(std::stoi(rows.text(0)) + 1);
          database.run("UPDATE settings SET value = ? WHERE key = 'n'", next);
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto reader = store->read();
  Rows rows = reader->query("SELECT value FROM settings WHERE key = 'n'");
  rows.step();
  EXPECT_EQ(rows.text(0), std::to_string(kThreads * kRounds));
}

TEST_P(StoreContract, RehearsalRunsAChangeTwiceAndKeepsItOnce) {
  options.rehearse = true;
  store = std::make_unique<Store>(options);
  int runs = 0;
  store->write([&](Database& database) {
    ++runs;
    database.run("INSERT INTO settings (key, value) VALUES ('once', '')");
  });
  EXPECT_EQ(runs, 2);
  EXPECT_TRUE(store->read()->query("SELECT 1 FROM settings WHERE key = 'once'").step());
}

TEST_P(StoreContract, NewerSchemaIsRefused) {
  store->write([](Database& database) {
    if (database.engine() == Engine::sqlite) database.execute("PRAGMA user_version = 1000000");
    else database.execute("UPDATE schema_version SET version = 1000000");
  });
  try {
    Store again(options);
    FAIL() << "a newer database was opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
  }
}

TEST_P(StoreContract, SoundStoreHasNoDamage) { EXPECT_TRUE(store->read()->find_damage().empty()); }

INSTANTIATE_TEST_SUITE_P(Engines, StoreContract, ::testing::ValuesIn(engines()), [](const auto& engine) { return engine.param; });

TEST_P(StoreContract, LocksKeepOthersOut) {
  NamedLocks here(options), there(options);
  auto held = here.try_lock("a", std::chrono::milliseconds(0));
  ASSERT_TRUE(held);
  EXPECT_TRUE(held->intact());
  EXPECT_FALSE(here.try_lock("a", std::chrono::milliseconds(20)));
  EXPECT_EQ(there.try_lock("a", std::chrono::milliseconds(20)).has_value(), GetParam() == "sqlite") << "another process, where there can be one";
  EXPECT_TRUE(there.try_lock("b", std::chrono::milliseconds(0)));
  held.reset();
  EXPECT_TRUE(there.try_lock("a", std::chrono::milliseconds(1000)));
}

class Postgres : public ::testing::Test {
 protected:
  void SetUp() override {
    if (environment("LYCEUM_TEST_POSTGRES").empty()) GTEST_SKIP() << "run through tests/with_servers.py";
    options.target = test_postgres(folder.path().string());
    store = std::make_unique<Store>(options);
  }
  // Ends every other connection of this database, as a restart of the server does.
  void cut_connections() {
    PostgresDatabase other(options.target, Database::Access::read_write);
    other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = 'lyceum'");
  }
  TempFolder folder;
  StoreOptions options;
  std::unique_ptr<Store> store;
};

TEST_F(Postgres, LostConnectionsAreMadeAgain) {
  { EXPECT_FALSE(store->read()->query("SELECT 1 FROM settings").step()); }
  for (int i = 0; i < 3; ++i) {
    cut_connections();
    EXPECT_EQ(store->read()->query("SELECT 1 FROM settings").step(), i > 0);
    cut_connections();
    store->write([&](Database& database) { database.run("INSERT INTO settings (key, value) VALUES (?, '')", std::to_string(i)); });
  }
}

TEST_F(Postgres, LockIsLostWithItsSession) {
  NamedLocks locks(options), others(options);
  const auto held = locks.try_lock("a", std::chrono::milliseconds(0));
  ASSERT_TRUE(held && held->intact());
  cut_connections();
  EXPECT_FALSE(held->intact());
  EXPECT_TRUE(others.try_lock("a", std::chrono::milliseconds(1000)));
}

TEST_F(Postgres, ConnectionLostInsideATransactionIsRunAgain) {
  int runs = 0;
  store->write([&](Database& database) {
    database.run("INSERT INTO settings (key, value) VALUES ('k', '')");
    if (++runs == 1) cut_connections();
    database.run("INSERT INTO settings (key, value) VALUES ('l', '')");
  });
  EXPECT_EQ(runs, 2);
  const auto reader = store->read();
  Rows rows = reader->query("SELECT count(*) FROM settings");
  ASSERT_TRUE(rows.step());
  EXPECT_EQ(rows.integer(0), 2);
}

TEST_F(Postgres, ZeroBytesInTextAreTheCallersMistake) {
  try {
    store->write([](Database& database) { database.run("INSERT INTO settings (key, value) VALUES (?, '')", std::string("a\xff")); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::invalid_argument);
  }
}

TEST(StoreTarget, HidesThePassword) {
  EXPECT_EQ(without_password("postgresql://hub:s3cr:et@db/lyceum?password=x"), "postgresql://hub:***@db/lyceum");
  EXPECT_EQ(without_password("postgres://db/lyceum"), "postgres://db/lyceum");
  EXPECT_EQ(without_password("postgresql://hub@db:5432/lyceum"), "postgresql://hub@db:5432/lyceum");
  EXPECT_EQ(without_password("/data/lyceum.db"), "/data/lyceum.db");
}

TEST(StoreTarget, UnreachableServerIsNamedWithoutItsPassword) {
  try {
    PostgresDatabase database("postgresql://hub:secret@127.0.0.1:1/lyceum", Database::Access::read_only);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unavailable);
    EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("--database"), std::string::npos);
  }
}

TEST(Dialect, Statements) {
  EXPECT_EQ(translate_statement("SELECT '?', \"a?\" FROM t -- ?\n WHERE a = ? AND b = ?2"), "SELECT '?', \"a?\" FROM t -- ?\n WHERE a = $1 AND b = $2");
  EXPECT_EQ(translate_statement("a LIKE ?12 ESCAPE '\\' OR b like 'it''s%'"), "a ILIKE $12 COLLATE \"C\" ESCAPE '\\' OR b ILIKE 'it''s%' COLLATE \"C\"");
  EXPECT_EQ(translate_statement("likes = ? AND unlike = ?"), "likes = $1 AND unlike = $2");
  EXPECT_EQ(translate_statement("'open"), "'open");
}

TEST(Dialect, Schema) {
  EXPECT_EQ(translate_schema("CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT NOT NULL UNIQUE COLLATE NOCASE, v TEXT DEFAULT 'TEXT', b BLOB, r REAL) STRICT, WITHOUT ROWID;"),
            "CREATE TABLE t (id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, n TEXT NOT NULL UNIQUE COLLATE NOCASE, v TEXT COLLATE \"C\" DEFAULT 'TEXT', b BYTEA, "
            "r DOUBLE PRECISION) ;");
  EXPECT_EQ(translate_schema("ALTER TABLE t ADD COLUMN c TEXT; CREATE INDEX i ON t(n COLLATE NOCASE);"),
            "ALTER TABLE t ADD COLUMN c TEXT COLLATE \"C\"; CREATE INDEX i ON t(n COLLATE NOCASE);");
}

}  // namespace
}  // namespace lyceum::hub
