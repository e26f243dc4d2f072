#include "hub/lfs_locks.h"

#include "base/error.h"
#include "base/random.h"
#include "hub/hub_impl.h"
#include "hub/names.h"

namespace lyceum::hub {
namespace {

constexpr std::string_view kSelect = "SELECT l.id, l.path, a.name, l.locked_ms FROM lfs_locks l JOIN accounts a ON a.id = l.owner_id ";

LfsLock read_lock(const Rows& rows) { return {rows.text(0), rows.text(1), rows.text(2), rows.integer(3)}; }

}  // namespace

std::optional<LfsLock> LfsLocks::try_lock(const Caller& caller, const RepoId& id, const std::string& path, LfsLock& made) {
  const Repo repo = hub_.get_for_write(caller, id);
  check_path(path);
  made = {to_hex(as_bytes(secure_bytes(12))), path, caller.user->name, hub_.clock_.now_ms()};
  std::optional<LfsLock> held;
  hub_.transact([&](Database& database) {
    held.reset();
    static const std::string sql = std::string(kSelect) + "WHERE l.repo_id = ?1 AND l.path = ?2";
    {
      Rows rows = database.query(sql, repo.id, path);
      if (rows.step()) held = read_lock(rows);
    }
    if (!held) database.run("INSERT INTO lfs_locks (id, repo_id, path, owner_id, locked_ms) VALUES (?1, ?2, ?3, ?4, ?5)", made.id, repo.id, path, caller.user->id, made.locked_ms);
  });
  return held;
}

LfsLock LfsLocks::unlock(const Caller& caller, const RepoId& id, const std::string& lock, bool force) {
  const Repo repo = hub_.get_for_write(caller, id);
  LfsLock out;
  hub_.transact([&](Database& database) {
    static const std::string sql = std::string(kSelect) + "WHERE l.repo_id = ?1 AND l.id = ?2";
    {
      Rows rows = database.query(sql, repo.id, lock);
      if (!rows.step()) throw Error(Code::not_found, "there is no such lock");
      out = read_lock(rows);
    }
    if (out.owner != caller.user->name && !force) throw Error(Code::forbidden, out.path + " is locked by " + out.owner + "; use --force to take the lock away");
    database.run("DELETE FROM lfs_locks WHERE id = ?1", lock);
  });
  return out;
}

std::vector<LfsLock> LfsLocks::list(const Repo& repo, const std::string& path, const std::string& id, size_t limit, size_t offset) {
  static const std::string sql = std::string(kSelect) + "WHERE l.repo_id = ?1 AND (?2 = '' OR l.path = ?2) AND (?3 = '' OR l.id = ?3) ORDER BY l.path LIMIT ?4 OFFSET ?5";
  std::vector<LfsLock> out;
  const auto reader = hub_.store_->read();
  Rows rows = reader->query(sql, repo.id, path, id, static_cast<int64_t>(limit), static_cast<int64_t>(offset));
  while (rows.step()) out.push_back(read_lock(rows));
  return out;
}

}  // namespace lyceum::hub
