#include "hub/backup.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"

namespace lyceum::hub {
namespace {

constexpr const char* kMark = "backup.json";
constexpr unsigned kRoundsMax = 5;

// --- the database, by SQLite's own interface: Store is for the hub's process only -----------------------------------------------------------
struct Close {
  void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
};
using Handle = std::unique_ptr<sqlite3, Close>;

Handle open_database(const fs::path& path, int flags) {
  sqlite3* raw = nullptr;
  const int result = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  Handle handle(raw);
  if (result != SQLITE_OK) throw Error(Code::internal, "cannot open " + path.string() + ": " + sqlite3_errstr(result));
  sqlite3_busy_timeout(raw, 30'000);
  return handle;
}

void execute(sqlite3* database, const char* sql) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    throw Error(sqlite3_errcode(database) == SQLITE_FULL ? Code::storage_full : Code::internal, std::string("database: ") + sqlite3_errmsg(database));
  }
}

std::vector<std::string> column(sqlite3* database, const std::string& sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(database, sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) throw Error(Code::internal, std::string("database: ") + sqlite3_errmsg(database));
  const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(raw, sqlite3_finalize);
  std::vector<std::string> out;
  int result = SQLITE_ROW;
  while ((result = sqlite3_step(raw)) == SQLITE_ROW) {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(raw, 0));
    out.emplace_back(bytes == nullptr ? "" : bytes, static_cast<size_t>(sqlite3_column_bytes(raw, 0)));
  }
  if (result != SQLITE_DONE) throw Error(Code::internal, std::string("database: ") + sqlite3_errmsg(database));
  return out;
}

// All pages in one step: a reader of the WAL sees one moment and holds nobody up.
void copy_database(const fs::path& from, const fs::path& to) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) fs::remove(to.string() + suffix);
  const Handle source = open_database(from, SQLITE_OPEN_READWRITE), target = open_database(to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  sqlite3_backup* const backup = sqlite3_backup_init(target.get(), "main", source.get(), "main");
  if (backup == nullptr) throw Error(Code::internal, std::string("database: ") + sqlite3_errmsg(target.get()));
  int result = SQLITE_OK;
  for (int attempt = 0; attempt < 300; ++attempt) {
    result = sqlite3_backup_step(backup, -1);
    if (result != SQLITE_BUSY && result != SQLITE_LOCKED) break;
    sqlite3_sleep(100);
  }
  sqlite3_backup_finish(backup);
  if (result != SQLITE_DONE) throw Error(result == SQLITE_FULL ? Code::storage_full : Code::internal, std::string("the database could not be copied: ") + sqlite3_errstr(result));
  // The copy's ref files may be younger or older than its rows. The rows are the truth; the next open() writes the files again.
  execute(target.get(), "PRAGMA journal_mode = DELETE; UPDATE repos SET refs_pending = 1, push_pending = 0 WHERE head <> '';");
}

// --- files ------------------------------------------------------------------------------------------------------------------------------------
bool same_size(const fs::path& a, const fs::path& b) {
  struct stat left {}, right {};
  return ::stat(a.c_str(), &left) == 0 && ::stat(b.c_str(), &right) == 0 && left.st_size == right.st_size;
}

// A durable copy beside the target, then in place. Returns the SHA-256 of what was read; false if there is nothing to copy.
bool copy_durably(const fs::path& from, const fs::path& to, std::string* sha256 = nullptr) {
  UniqueFd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!source.valid()) {
    if (errno == ENOENT) return false;
    throw_errno("open", from);
  }
  const fs::path part = to.string() + ".part";
  const UniqueFd target = open_file(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
  Hasher hasher(Hasher::Kind::sha256);
  std::vector<std::byte> buffer(1u << 20);
  while (true) {
    const ssize_t got = ::read(source.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno("read", from);
    if (got == 0) break;
    const Bytes bytes(buffer.data(), static_cast<size_t>(got));
    if (sha256) hasher.update(bytes);
    write_all(target.get(), bytes, part);
  }
  if (sha256) *sha256 = hasher.finish_hex();
  fsync_file(target.get(), part);
  fs::rename(part, to);
  return true;
}

class Copier {
 public:
  Copier(const fs::path& from, const fs::path& to, const BackupOptions& options) : from_(from), to_(to), options_(options) {}

  BackupReport run() {
    for (; report_.rounds <= kRoundsMax; ++report_.rounds) {
      say("database");
      copy_database(from_ / "lyceum.db", to_ / "lyceum.db.part");
      if (copy_what_it_names()) return finish();
      say("something was deleted meanwhile; starting over");
    }
    throw Error(Code::unavailable, "the hub kept deleting repositories while the backup ran; run it again");
  }

 private:
  void say(std::string_view what) const {
    if (options_.progress) options_.progress(what);
  }

  bool copy_what_it_names() {
    const Handle database = open_database(to_ / "lyceum.db.part", SQLITE_OPEN_READONLY);
    const auto repos = column(database.get(), "SELECT public_id FROM repos");
    const auto blobs = column(database.get(), "SELECT sha256 FROM blobs");
    report_.repos = repos.size();
    report_.blobs = blobs.size();
    report_.git_files = 0;
    say(std::to_string(repos.size()) + " repositories");
    for (const std::string& id : repos) {
      const fs::path relative = fs::path("repos") / id.substr(0, 2) / id.substr(2, 2) / (id + ".git");
      if (!copy_repository(from_ / relative, to_ / relative)) return false;
    }
    say(std::to_string(blobs.size()) + " large files");
    for (const std::string& digest : blobs) {
      const std::string sha256 = to_hex(as_bytes(digest));
      const fs::path relative = fs::path("blobs") / sha256.substr(0, 2) / sha256.substr(2, 2) / sha256;
      if (!copy_blob(from_ / relative, to_ / relative, sha256)) return false;
    }
    return true;
  }

  // Objects and packs never change under their name; everything else is small and copied anew. Locks and unfinished objects stay behind.
  bool copy_repository(const fs::path& from, const fs::path& to) {
    std::error_code error;
    if (!fs::is_directory(from, error)) return false;
    fs::create_directories(to);
    for (fs::recursive_directory_iterator it(from, error), end; !error && it != end; it.increment(error)) {
      const fs::path relative = it->path().lexically_relative(from);
      const std::string name = relative.filename().string();
      std::error_code gone;
      if (it->is_directory(gone)) {
        if (name.starts_with("tmp_objdir") || name.starts_with("incoming")) it.disable_recursion_pending();
        else fs::create_directories(to / relative);
        continue;
      }
      if (name.ends_with(".lock") || name.starts_with("tmp_") || !it->is_regular_file(gone)) continue;
      ++report_.git_files;
      const bool is_object = *relative.begin() == "objects" && relative.parent_path().filename() != "info";
      if (is_object && same_size(it->path(), to / relative)) continue;
      if (copy_durably(it->path(), to / relative)) ++report_.new_git_files;
    }
    return fs::is_directory(from, error) && fs::exists(from / "HEAD", error);
  }

  bool copy_blob(const fs::path& from, const fs::path& to, const std::string& sha256) {
    if (same_size(from, to)) return true;
    fs::create_directories(to.parent_path());
    std::error_code error;
    fs::remove(to, error);
    if (!options_.copy && ::link(from.c_str(), to.c_str()) == 0) {
      ++report_.linked_blobs;
      return true;
    }
    std::string seen;
    if (!copy_durably(from, to, &seen)) return false;
    if (seen != sha256) {
      fs::remove(to);
      throw Error(Code::internal, "the large file " + sha256 + " is damaged in " + from_.string() + "; run lyceum fsck");
    }
    ++report_.copied_blobs;
    return true;
  }

  BackupReport finish() {
    fs::create_directories(to_ / "keys");
    fs::permissions(to_ / "keys", fs::perms::owner_all);
    for (const auto& entry : fs::directory_iterator(from_ / "keys")) {
      copy_durably(entry.path(), to_ / "keys" / entry.path().filename());
      fs::permissions(to_ / "keys" / entry.path().filename(), fs::perms::owner_read | fs::perms::owner_write);
    }
    fs::permissions(to_ / "lyceum.db.part", fs::perms::owner_read | fs::perms::owner_write);
    say("writing to disk");
    ::sync();  // the links and folders made above; each file's content is on disk already
    rename_durable(to_ / "lyceum.db.part", to_ / "lyceum.db");
    return report_;
  }

  const fs::path from_, to_;
  const BackupOptions& options_;
  BackupReport report_;
};

bool is_empty_or_absent(const fs::path& folder) { return !fs::exists(folder) || fs::is_empty(folder); }

}  // namespace

BackupReport back_up(const fs::path& data, const fs::path& to, const BackupOptions& options) {
  if (!fs::exists(data / "lyceum.db")) {
    throw Error(Code::unsupported, data.string() + " has no lyceum.db: only a hub over SQLite is backed up this way. With PostgreSQL: stop the servers, "
                                                   "pg_dump the database, copy the shared folder's repos/ and keys/, and use the bucket's own versioning or replication");
  }
  if (fs::exists(data / "blob-cache")) {
    throw Error(Code::unsupported, "this hub keeps large files in S3 (it has " + (data / "blob-cache").string() + "), which a backup of its folder would miss. Stop it, copy lyceum.db, repos/ and keys/, "
                                   "and use the bucket's own versioning or replication; if it uses S3 no more, remove blob-cache/ first");
  }
  if (!is_empty_or_absent(to) && !fs::exists(to / kMark)) throw Error(Code::conflict, to.string() + " holds something else than a backup; name an empty folder");
  fs::create_directories(to);
  fs::permissions(to, fs::perms::owner_all);
  if (!fs::exists(to / kMark)) write_file_durable(to / kMark, "{\"complete\": false}\n");
  const BackupReport report = Copier(data, to, options).run();
  write_file_durable(to / kMark, pretty_json(json::object{{"complete", true}, {"finished", iso8601(SystemClock().now_ms())}, {"repositories", report.repos}, {"large_files", report.blobs}}));
  return report;
}

BackupReport restore(const fs::path& from, const fs::path& data, const BackupOptions& options) {
  const bool complete = fs::exists(from / kMark) && fs::exists(from / "lyceum.db");
  if (!complete) throw Error(Code::not_found, from.string() + " is not a complete backup");
  if (!is_empty_or_absent(data)) throw Error(Code::conflict, data.string() + " is not empty; a backup is restored into a new folder");
  fs::create_directories(data);
  fs::permissions(data, fs::perms::owner_all);
  return Copier(from, data, options).run();
}

}  // namespace lyceum::hub
