#include "cli/settings.h"

#include <fmt/format.h>

#include <charconv>

#include "base/error.h"

namespace lyceum::cli {
namespace {

constexpr SettingRow kRows[] = {
    {"address", "LYCEUM_ADDRESS", "127.0.0.1", "address to listen on; 0.0.0.0 opens the hub to the network"},
    {"port", "LYCEUM_PORT", "7860", "port to listen on; 0 takes any free one"},
    {"tls-cert", "LYCEUM_TLS_CERT", "", "PEM file with the TLS certificate chain; empty: no TLS. Read again when it changes, or on SIGHUP"},
    {"tls-key", "LYCEUM_TLS_KEY", "", "PEM file with the key of the TLS certificate"},
    {"tls-port", "LYCEUM_TLS_PORT", "7843", "port for HTTPS, when there is a certificate; 0 takes any free one"},
    {"plain-http", "LYCEUM_PLAIN_HTTP", "true", "serve plain HTTP beside HTTPS?"},
    {"data", "LYCEUM_DATA", "data", "folder that holds everything: database, repositories, large files, keys"},
    {"database", "LYCEUM_DATABASE", "", "empty: SQLite in the data folder; or postgresql://user@host/name (its password best in ~/.pgpass or in this environment variable)"},
    {"database-connections", "LYCEUM_DATABASE_CONNECTIONS", "24", "PostgreSQL: connections for reading; half as many for writing on top"},
    {"shared", "LYCEUM_SHARED", "", "several servers over one PostgreSQL: the folder that they share, with git repositories and keys; each has its own data folder"},
    {"s3-endpoint", "LYCEUM_S3_ENDPOINT", "", "S3 store for large files, https://…; empty: they are in the data folder"},
    {"s3-bucket", "LYCEUM_S3_BUCKET", "", "its bucket, which must exist"},
    {"s3-prefix", "LYCEUM_S3_PREFIX", "", "start of all keys in the bucket, such as lyceum/"},
    {"s3-region", "LYCEUM_S3_REGION", "us-east-1", "its region"},
    {"s3-key-id", "LYCEUM_S3_KEY_ID", "", "access key; its secret comes from LYCEUM_S3_SECRET or the next file"},
    {"s3-secret-file", "LYCEUM_S3_SECRET_FILE", "", "file with the secret of the access key"},
    {"s3-path-style", "LYCEUM_S3_PATH_STYLE", "true", "true: endpoint/bucket/key; false: bucket.endpoint/key"},
    {"s3-redirect", "LYCEUM_S3_REDIRECT", "false", "send downloads to the S3 store with a signed link, instead of sending the bytes"},
    {"s3-cache-gib", "LYCEUM_S3_CACHE_GIB", "100", "local copies of large files, in GiB; the least recently used leave first"},
    {"public-url", "LYCEUM_PUBLIC_URL", "", "address that clients use, when a proxy in front changes it; empty: from each request"},
    {"web", "LYCEUM_WEB", "web/dist", "folder with the built web pages"},
    {"starter", "LYCEUM_STARTER", "", "folder with starter content, imported where it is not there yet; empty: none"},
    {"administrator", "LYCEUM_ADMINISTRATOR", "admin", "name of the administrator that the first start creates"},
    {"anonymous-inference", "LYCEUM_ANONYMOUS_INFERENCE", "true", "may callers without a token run public models?"},
    {"rate-limit-api", "LYCEUM_RATE_LIMIT_API", "20000", "requests that one caller may make in five minutes; 0: no limit"},
    {"rate-limit-files", "LYCEUM_RATE_LIMIT_FILES", "100000", "downloads, git and Xet requests that one caller may make in five minutes; 0: no limit"},
    {"sign-in-failures", "LYCEUM_SIGN_IN_FAILURES", "20", "wrong passwords for one name in five minutes, five times as many from one address; 0: no limit"},
    {"lfs-part-mib", "LYCEUM_LFS_PART_MIB", "2048", "LFS uploads larger than this many MiB go in parts of this size, with clients that can"},
    {"quota-repository-gib", "LYCEUM_QUOTA_REPOSITORY_GIB", "0", "large files of one repository, in GiB; 0: no limit"},
    {"quota-namespace-gib", "LYCEUM_QUOTA_NAMESPACE_GIB", "0", "large files of one user or organisation, in GiB; 0: no limit"},
    {"outgoing-allow", "LYCEUM_OUTGOING_ALLOW", "", "private addresses, ranges or host names that webhooks may call, separated by commas"},
    {"workers", "LYCEUM_WORKERS", "64", "requests handled at the same time, those that wait for their client not counted"},
    {"connections-max", "LYCEUM_CONNECTIONS_MAX", "16384", "open connections at most"},
    {"connections-per-address", "LYCEUM_CONNECTIONS_PER_ADDRESS", "1024", "open connections from one address at most; this machine is exempt"},
    {"drain-seconds", "LYCEUM_DRAIN_SECONDS", "30", "on SIGTERM, how long requests under way may take to finish"},
    {"access-log", "LYCEUM_ACCESS_LOG", "false", "log every request?"},
    {"log-format", "LYCEUM_LOG_FORMAT", "text", "text, or json: one object a line"},
    {"engine-threads", "LYCEUM_ENGINE_THREADS", "0", "threads of each engine process; 0: one per core"},
    {"engine-integer", "LYCEUM_ENGINE_INTEGER", "true", "generate with quantised (GGUF) weights in whole numbers, activations rounded to 8 bits? false: exactly, several times slower"},
    {"engine-prompt-lookup", "LYCEUM_ENGINE_PROMPT_LOOKUP", "true", "guess tokens from what a request has already read or written, and check them beside the next one? the answers are the same"},
    {"engine-kv-mib", "LYCEUM_ENGINE_KV_MIB", "1024", "memory of each engine process for keys and values, of all its requests and kept prefixes together, in MiB"},
    {"engine-idle-seconds", "LYCEUM_ENGINE_IDLE_SECONDS", "900", "an engine process that no request has used for so long ends, unless its model is deployed; 0: never"},
    {"engines-max", "LYCEUM_ENGINES_MAX", "4", "engine processes kept in memory; the least recently used one leaves first"},
    {"engines-memory-mib", "LYCEUM_ENGINES_MEMORY_MIB", "0", "memory of all engine processes together, by the size of their weights and caches; 0: nine tenths of this machine's, or of what its control group allows"},
    {"engines-wait-seconds", "LYCEUM_ENGINES_WAIT_SECONDS", "60", "how long a request waits for a place while every engine is in use"},
    {"jobs-max", "LYCEUM_JOBS_MAX", "1", "tuning jobs that run at the same time, plans not counted; 0: this hub runs none"},
    {"jobs-queue-max", "LYCEUM_JOBS_QUEUE_MAX", "32", "jobs that may wait; more are refused"},
    {"jobs-memory-mib", "LYCEUM_JOBS_MEMORY_MIB", "0", "memory of all running jobs together, in MiB; 0: two thirds of the machine. What needs more is refused"},
    {"jobs-threads", "LYCEUM_JOBS_THREADS", "0", "threads of each job; 0: one per core. Results do not depend on it"},
    {"jobs-nice", "LYCEUM_JOBS_NICE", "10", "how far jobs give way to serving, 0 to 19"},
    {"jobs-checkpoint-seconds", "LYCEUM_JOBS_CHECKPOINT_SECONDS", "60", "a running job writes a checkpoint at least this often: so much is lost when it is killed"},
};

}  // namespace

std::span<const SettingRow> setting_rows() { return kRows; }

std::string settings_markdown() {
  std::string out =
      "# Settings of `lyceum serve`\n\nMade by `lyceum doctor --settings`; do not edit. A flag beats the environment, which beats "
      "the settings file (`--config FILE`, lines `name = value`), which beats the default.\n\n"
      "| flag and file key | environment | default | meaning |\n|---|---|---|---|\n";
  for (const SettingRow& row : kRows) {
    out += fmt::format("| `--{}` | `{}` | {} | {} |\n", row.name, row.environment,
                       row.fallback.empty() ? "empty" : "`" + std::string(row.fallback) + "`", row.meaning);
  }
  return out;
}

Settings::Settings() {
  for (const SettingRow& row : kRows) values_[std::string(row.name)] = row.fallback;
}

void Settings::bind_store(Options& options) { bind_rows(options, true); }

void Settings::bind(Options& options) {
  bind_rows(options, false);
  options.set_config("--config", "settings file");
}

void Settings::bind_rows(Options& options, bool store_only) {
  for (const SettingRow& row : kRows) {
    const bool is_store = row.name.starts_with("database") || row.name.starts_with("s3-") || row.name == "shared";
    if (store_only && !is_store) continue;
    options.add_option("--" + std::string(row.name), values_[std::string(row.name)], std::string(row.meaning)).envname(std::string(row.environment)).capture_default_str();
  }
}

const std::string& Settings::text(std::string_view name) const {
  const auto it = values_.find(name);
  LYCEUM_CHECK(it != values_.end(), "unknown setting");
  return it->second;
}

int64_t Settings::number(std::string_view name) const {
  const std::string& value = text(name);
  int64_t out = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
  if (error != std::errc() || end != value.data() + value.size() || out < 0) {
    throw Error(Code::invalid_argument, fmt::format("setting --{} must be a whole number, not '{}'", name, value));
  }
  return out;
}

bool Settings::yes(std::string_view name) const {
  const std::string& value = text(name);
  if (value == "true" || value == "1" || value == "yes" || value == "on") return true;
  if (value == "false" || value == "0" || value == "no" || value == "off") return false;
  throw Error(Code::invalid_argument, fmt::format("setting --{} must be true or false, not '{}'", name, value));
}

}  // namespace lyceum::cli
