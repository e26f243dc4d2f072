#include <chrono>
#include <condition_variable>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "git/history.h"
#include "git/lfs_pointer.h"
#include "hub/hub_impl.h"
#include "hub/names.h"

namespace lyceum::hub {
namespace {

constexpr auto kSettlePatience = std::chrono::seconds(15);  // as long as a restart of the database is waited for (store.cpp)

// Answers about the push itself; after any other error it is open whether it was recorded.
bool is_refusal(Code code) { return code == Code::unprocessable || code == Code::forbidden || code == Code::not_found; }

}  // namespace

class PushImpl final : public Push {
 public:
  PushImpl(HubImpl& hub, Caller caller, Repo repo, RepoLocks::Held held)
      : hub_(hub), caller_(std::move(caller)), repo_(std::move(repo)), held_(std::move(held)) {}

  ~PushImpl() override {
    if (!held_) return;
    try {
      finish();
    } catch (const std::exception& error) {
      log::warn("push to {}: {}", repo_.repo_id.full_name(), error.what());
    }
  }

  void finish() override {
    LYCEUM_CHECK(held_, "a push is finished once");
    std::optional<RepoLocks::Held> held(std::move(*held_));  // free for others when this returns, however it returns
    held_.reset();
    try {
      const auto git = hub_.open_git(repo_);
      hub_.adopt_refs(repo_, *git, &caller_);
    } catch (const Error& error) {
      if (is_refusal(error.code())) throw;
      log::warn("push to {}: {}; finding out whether it was recorded", repo_.repo_id.full_name(), error.what());
      if (!hub_.settle_push(repo_, held)) throw;
    }
  }

 private:
  HubImpl& hub_;
  const Caller caller_;
  const Repo repo_;
  std::optional<RepoLocks::Held> held_;  // empty once finished
};

std::unique_ptr<Push> HubImpl::begin_push(const Caller& caller, const RepoId& id) {
  // The opener of a pull request may push to it, and check_pushed() holds him to that.
  const Repo seen = get_repo(caller, id);
  const bool contributes = caller.may_write() && !seen.disabled && discussions_->is_open_of(*store_->read(), seen, "", caller);
  const Repo repo = contributes ? seen : get_for_write(caller, id);
  auto held = locks_.lock(repo.id);
  {
    const auto git = open_git(repo);
    sync_refs(repo, *git);  // receive-pack must start from what the database says
  }
  int64_t marked = 0;
  transact([&](Database& database) { marked = database.run("UPDATE repos SET push_pending = 1 WHERE id = ?1", repo.id); });
  if (marked == 0) throw repo_not_found();
  return std::make_unique<PushImpl>(*this, caller, repo, std::move(held));
}

void HubImpl::after_push(const Caller& caller, const RepoId& id) {
  const Repo repo = get_for_write(caller, id);
  const auto held = locks_.lock(repo.id);
  const auto git = open_git(repo);
  adopt_refs(repo, *git, &caller);
}

std::vector<HubImpl::RefChange> HubImpl::changed_refs(Database& database, const Repo& repo, const git::Repository& git) {
  std::vector<RefChange> out;
  auto disk = git.list_refs();
  Rows rows = database.query("SELECT name, target FROM refs WHERE repo_id = ?1", repo.id);
  while (rows.step()) {
    const std::string name = rows.text(0);
    const auto found = disk.find(name);
    if (found == disk.end()) out.push_back({name, std::nullopt});
    else if (found->second.hex() != rows.text(1)) out.push_back({name, found->second});
    disk.erase(name);
  }
  for (const auto& [name, oid] : disk) out.push_back({name, oid});
  return out;
}

// Every new blob that is a pointer must name a large file that this repository may use. `to_link` receives those it may use only because
// the pusher can read them elsewhere.
void HubImpl::check_pushed(Database& database, const Repo& repo, const git::Repository& git, const Caller* caller,
                           const std::vector<RefChange>& changes, std::vector<std::string>& to_link) {
  std::vector<git::Oid> tips, known;
  for (const RefChange& change : changes) {
    if (change.name == "refs/heads/main" && !change.target) throw Error(Code::forbidden, "the branch main cannot be deleted");
    const bool allowed = change.name.starts_with("refs/heads/") || change.name.starts_with("refs/tags/") || change.name.starts_with("refs/pr/");
    if (!allowed || !is_utf8(change.name)) throw Error(Code::unprocessable, change.name + " is not a branch or tag; push to refs/heads/ or refs/tags/");
    if (caller != nullptr && !(change.name.starts_with("refs/pr/") && discussions_->is_open_of(database, repo, change.name, *caller))) require_repo_write(database, *caller, repo);
    if (change.name.starts_with("refs/pr/")) discussions_->check_push(database, repo, change.name, !change.target);
    if (!change.target) continue;
    const auto commit = git.find_commit(*change.target);
    if (!commit) throw Error(Code::unprocessable, change.name + " does not point at a commit");
    tips.push_back(*commit);
  }
  Rows rows = database.query("SELECT commit_id FROM refs WHERE repo_id = ?1", repo.id);
  while (rows.step()) known.push_back(*git::find_oid(rows.text(0)));
  std::set<git::Oid> checked;
  const auto check_blob = [&](const std::string& path, const git::TreeEntry* before, const git::TreeEntry* after) {
    if (after == nullptr || !after->is_blob() || after->mode == git::Mode::link) return;
    if ((before != nullptr && before->oid == after->oid) || !checked.insert(after->oid).second) return;
    const auto info = git.find_object(after->oid);
    if (!info || info->size > git::kLfsPointerBytesMax) return;
    const auto pointer = git::find_lfs_pointer(git.read_object(after->oid, git::Kind::blob));
    if (!pointer) return;
    const bool usable = blobs_->keep(pointer->sha256) && blobs_->get_size(pointer->sha256) == pointer->size &&
                        may_use_blob(database, caller, repo, pointer->sha256);
    if (!usable) throw Error(Code::unprocessable, "the large file " + path + " (SHA-256 " + pointer->sha256 + ") was not uploaded; run `git lfs push --all origin` and push again");
    to_link.push_back(pointer->sha256);
  };
  if (tips.empty()) return;
  git::walk_commits(git, tips, known, [&](const git::Oid& oid) {
    const git::Commit commit = git.read_commit(oid);
    const auto parent = commit.parents.empty() ? std::nullopt : std::optional(git.read_commit(commit.parents.front()).tree);
    git::diff_trees(git, parent, commit.tree, true, check_blob);
    return true;
  });
}

void HubImpl::adopt_refs(const Repo& repo, git::Repository& git, const Caller* caller) {
  std::vector<RefChange> changes;
  std::vector<std::string> to_link;
  try {
    const auto reader = store_->read();
    changes = changed_refs(*reader, repo, git);
    check_pushed(*reader, repo, git, caller, changes, to_link);
  } catch (const Error&) {
    sync_refs(repo, git);
    transact([&](Database& database) { database.run("UPDATE repos SET push_pending = 0 WHERE id = ?1", repo.id); });
    throw;
  }
  if (has_lost_lock(repo)) {
    // Another hub may have changed the refs and their files meanwhile, so what is on disk says nothing about this push.
    transact([&](Database& database) { database.run("UPDATE repos SET refs_pending = 1 WHERE id = ?1", repo.id); });
    throw lock_lost(repo);
  }
  if (changes.empty()) {
    transact([&](Database& database) { database.run("UPDATE repos SET push_pending = 0 WHERE id = ?1", repo.id); });
    return;
  }
  move_refs(repo, git, changes, [&](Database& database) {
    for (const std::string& sha256 : to_link) link_in(database, repo, sha256);
    database.run("UPDATE repos SET push_pending = 0 WHERE id = ?1", repo.id);
  }, caller);
}

// A client that was told of a failure must not see its push come true an hour later, when somebody else writes. With the lock still ours, the
// refs go back to what the database says, so that the mark finds nothing to adopt; with the lock lost, taking it again does what any next
// writer would have done (take_over). True: the database has what was pushed.
bool HubImpl::settle_push(const Repo& repo, std::optional<RepoLocks::Held>& held) {
  std::optional<std::map<std::string, git::Oid>> pushed;
  const auto give_up = std::chrono::steady_clock::now() + kSettlePatience;
  while (true) {
    try {
      const auto git = open_git(repo);
      if (!pushed) pushed = git->list_refs();
      if (!held || has_lost_lock(repo)) {
        held.reset();
        held.emplace(locks_.lock(repo.id));
      }
      sync_refs(repo, *git);
      return git->list_refs() == *pushed;
    } catch (const Error& error) {
      if (std::chrono::steady_clock::now() < give_up) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        continue;
      }
      log::warn("{}: whether a push was recorded is found out later: {}", repo.repo_id.full_name(), error.what());
      const std::lock_guard lock(refs_mutex_);
      refs_unsynced_.insert(repo.id);
      return false;
    }
  }
}

void HubImpl::recover_repo(const Repo& repo, bool pushed) {
  git::Repository::remove_leftovers(folder_of(repo.public_id));
  const auto git = open_git(repo);
  if (!pushed) return sync_refs(repo, *git);
  try {
    adopt_refs(repo, *git, nullptr);
  } catch (const Error& error) {
    if (error.code() == Code::storage_full || error.code() == Code::unavailable) throw;
    log::warn("{}: an interrupted push was put back: {}", repo.repo_id.full_name(), error.what());
  }
}

void HubImpl::take_over(int64_t repo_id) {
  std::optional<Repo> repo;
  bool pushed = false;
  {
    static const std::string sql = "SELECT " + std::string(kRepoColumns) +
                                   ", r.push_pending FROM repos r WHERE r.id = ?1 AND (r.refs_pending <> 0 OR r.push_pending <> 0)";
    const auto reader = store_->read();
    Rows rows = reader->query(sql, repo_id);
    if (!rows.step()) return;
    repo = read_repo(rows);
    pushed = rows.boolean(kRepoColumnCount);
  }
  log::info("{}: finishing what another server had begun", repo->repo_id.full_name());
  recover_repo(*repo, pushed);
}

void HubImpl::recover() {
  std::vector<std::pair<Repo, bool>> pending;
  {
    static const std::string sql = "SELECT " + std::string(kRepoColumns) + ", r.push_pending FROM repos r WHERE (r.refs_pending <> 0 OR r.push_pending <> 0) AND r.head <> ''";
    const auto reader = store_->read();
    Rows rows = reader->query(sql);
    while (rows.step()) pending.emplace_back(read_repo(rows), rows.boolean(kRepoColumnCount));
  }
  if (is_shared()) {
    for (const auto& [repo, pushed] : pending) locks_.try_lock(repo.id);  // take_over() does it; a lock that is taken means that another hub is at it
    return;
  }
  for (const auto& [repo, pushed] : pending) recover_repo(repo, pushed);
  if (!pending.empty()) log::info("recovered {} repositories that were being written when the server stopped", pending.size());
}

// What a hub left that died, or lost the database for long, is settled soon, not when somebody next writes there.
void HubImpl::recover_now_and_then(const std::stop_token& stop) {
  constexpr auto kEvery = std::chrono::seconds(5);
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  while (!never.wait_for(lock, stop, kEvery, [&] { return stop.stop_requested(); })) {
    try {
      recover();
    } catch (const std::exception& error) {
      log::warn("finishing what other servers left: {}", error.what());
    }
  }
}

}  // namespace lyceum::hub
