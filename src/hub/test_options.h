// test_options.h: for tests: which engines the hub under test runs on. SQLite and a folder, unless tests/with_servers.py started a PostgreSQL
// and an S3 server and LYCEUM_TEST_STORE=postgresql says so. Every data folder then gets a schema and a key prefix of its own.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/hash.h"
#include "hub/hub.h"
#include "hub/store/postgres_database.h"

namespace lyceum::hub {

inline std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The address of an empty store of its own, the same for the same key; "" where tests have no PostgreSQL.
inline std::string test_postgres(std::string_view key) {
  const std::string url = environment("LYCEUM_TEST_POSTGRES");
  if (url.empty()) return {};
  const std::string schema = "t" + sha256_hex(key).substr(0, 24);
  PostgresDatabase(url, Database::Access::read_write).execute("CREATE SCHEMA IF NOT EXISTS " + schema);
  return url + (url.find('?') == std::string::npos ? "?" : "&") + "options=-csearch_path%3D" + schema;
}

inline S3Options test_s3(std::string_view key) {
  S3Options options;
  options.endpoint = environment("LYCEUM_TEST_S3");
  options.bucket = "lyceum";
  options.prefix = sha256_hex(key).substr(0, 16) + "/";
  options.key_id = "test";
  options.secret = "test-secret";
  return options;
}

inline HubOptions test_options(const std::filesystem::path& data) {
  HubOptions options;
  options.data_folder = data;
  options.store.rehearse = true;
  if (environment("LYCEUM_TEST_STORE") != "postgresql") return options;
  options.store.target = test_postgres(data.string());
  if (options.store.target.empty()) throw Error(Code::invalid_argument, "LYCEUM_TEST_STORE=postgresql needs LYCEUM_TEST_POSTGRES; run tests/with_servers.py");
  options.s3 = test_s3(data.string());
  return options;
}

}  // namespace lyceum::hub
