#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "git/tree_editor.h"
#include "hub/hub_impl.h"
#include "hub/names.h"

namespace lyceum::hub {
namespace {

std::string target_of(const RepoId& id) { return std::string(plural(id.type)) + "/" + id.full_name(); }

void refuse_taken(Database& database, const RepoId& id) {
  Rows rows = database.query("SELECT 1 FROM repos WHERE type = ?1 AND owner = ?2 AND name = ?3", static_cast<int>(id.type), id.owner, id.name);
  if (rows.step()) throw Error(Code::conflict, "You already created this " + std::string(plural(id.type)).substr(0, plural(id.type).size() - 1) + " repo: " + id.full_name());
}

// A bare git repository in staging/; what was not renamed away is removed.
class StagedRepo {
 public:
  explicit StagedRepo(fs::path path) : path_(std::move(path)) { git::Repository::create(path_); }
  ~StagedRepo() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  StagedRepo(const StagedRepo&) = delete;
  StagedRepo& operator=(const StagedRepo&) = delete;
  const fs::path& path() const noexcept { return path_; }

 private:
  fs::path path_;
};

}  // namespace

fs::path HubImpl::folder_of(const std::string& public_id) const {
  return options_.shared_folder / "repos" / public_id.substr(0, 2) / public_id.substr(2, 2) / (public_id + ".git");
}

Repo HubImpl::create_repo(const Caller& caller, const RepoId& id, bool is_private, const std::string& sdk) {
  const auto fill = [&](const fs::path& folder) -> std::vector<RefChange> {
    git::Repository git(folder);
    std::map<git::Oid, git::Repository::NewObject> objects;
    const std::string attributes(git::default_attributes());
    const git::Oid blob = git::object_id(git::Kind::blob, attributes);
    objects.emplace(blob, git::Repository::NewObject{git::Kind::blob, attributes});
    git::TreeEditor editor(git, std::nullopt);
    editor.put(".gitattributes", git::Mode::file, blob);
    git::Commit commit;
    commit.tree = editor.write(objects);
    const std::string email = caller.user->email.empty() ? caller.user->name + "@localhost" : caller.user->email;
    commit.author = commit.committer = {caller.user->name, email, clock_.now_ms() / 1000, 0};
    commit.message = "initial commit\n";
    std::string text = git::format_commit(commit);
    const git::Oid head = git::object_id(git::Kind::commit, text);
    objects.emplace(head, git::Repository::NewObject{git::Kind::commit, std::move(text)});
    git.write_objects(objects);
    return {{std::string(kMain), head}};
  };
  return add_repo(caller, id, is_private, sdk, fill, {});
}

Repo HubImpl::add_repo(const Caller& caller, const RepoId& wanted, bool is_private, const std::string& sdk, const FillRepo& fill,
                       const std::function<void(Database&, const Repo&, const git::Repository&)>& extra) {
  check_repo_name(wanted.name);
  if (sdk.size() > 40) throw Error(Code::invalid_argument, "a Space's sdk may have 40 characters");
  RepoId id = wanted;
  Account owner;
  {
    const auto reader = store_->read();
    if (!caller.user) throw Error(Code::unauthorized, "sign in to create a repository");
    owner = get_account(*reader, wanted.owner);
    id.owner = owner.name;
    require_namespace(*reader, caller, owner, kWriteRepo, "create a repository");
    refuse_taken(*reader, id);
  }
  const std::string public_id = to_hex(as_bytes(secure_bytes(12)));
  const int64_t now = clock_.now_ms();
  // Built beside its place, so that repos/ never holds half a repository.
  const StagedRepo staged(git_staging() / (public_id + ".git"));
  const std::vector<RefChange> refs = fill(staged.path());
  const fs::path folder = folder_of(public_id);
  std::string head;
  {
    git::Repository git(staged.path());
    for (const RefChange& ref : refs) {
      git.set_ref(ref.name, ref.target.value());
      if (ref.name == kMain) head = git.find_commit(*ref.target).value().hex();
    }
  }
  make_folders_durable(folder.parent_path());
  rename_durable(staged.path(), folder);
  const git::Repository git(folder);
  try {
    transact([&](Database& database) {
      refuse_taken(database, id);
      database.run("DELETE FROM repo_aliases WHERE type = ?1 AND owner = ?2 AND name = ?3", static_cast<int>(id.type), id.owner, id.name);
      const int64_t repo_id = database.insert("INSERT INTO repos (public_id, type, owner_id, owner, name, is_private, sdk, head, created_ms, modified_ms) "
                   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9) RETURNING id",
                   public_id, static_cast<int>(id.type), owner.id, id.owner, id.name, is_private, sdk, head, now);
      for (const RefChange& ref : refs) {
        database.run("INSERT INTO refs (repo_id, name, target, commit_id) VALUES (?1, ?2, ?3, ?4)", repo_id, ref.name, ref.target->hex(), git.find_commit(*ref.target).value().hex());
      }
      audit_->record(database, caller, "repo.create", target_of(id), {{"private", is_private}});
      const auto made = find_repo(database, id);
      if (made && extra) extra(database, *made, git);
      if (made) webhooks_->note(database, *made, {"create", "repo"});
    });
  } catch (const Error& error) {
    // Unavailable: the database did not say whether it saved the row. A folder that no row names is garbage; a row without its folder is a loss.
    std::error_code ignored;
    if (error.code() != Code::unavailable) fs::remove_all(folder, ignored);
    throw;
  }
  const Repo repo = get_repo(caller, id);
  catalogue_->refresh(repo.id);
  return repo;
}

void HubImpl::delete_repo(const Caller& caller, const RepoId& id) {
  const Repo repo = get_for_write(caller, id);
  const auto held = locks_.lock(repo.id);
  const fs::path folder = folder_of(repo.public_id);
  int64_t removed = 0;
  transact([&](Database& database) {
    removed = database.run("DELETE FROM repos WHERE id = ?1", repo.id);
    if (removed != 0) audit_->record(database, caller, "repo.delete", target_of(repo.repo_id));
    if (removed > 0) webhooks_->note(database, repo, {"delete", "repo"});
  });
  if (removed == 0) throw repo_not_found();
  catalogue_->refresh(repo.id);
  if (repo.head.empty()) return;
  pool_.forget(folder);
  // Out of sight in one step; what a crash leaves in staging/ goes at the next start.
  const fs::path trash = git_staging() / (repo.public_id + ".deleted");
  std::error_code error;
  fs::rename(folder, trash, error);
  if (!error) fs::remove_all(trash, error);
  if (error) log::warn("deleted {} but could not remove its folder {}: {}", repo.repo_id.full_name(), folder.string(), error.message());
}

void HubImpl::move_repo(const Caller& caller, const RepoId& from, const RepoId& to) {
  const Repo repo = get_for_write(caller, from);
  check_repo_name(to.name);
  if (from.type != to.type) throw Error(Code::invalid_argument, "a repository cannot change its type");
  const auto held = locks_.lock(repo.id);
  transact([&](Database& database) {
    const Account owner = get_account(database, to.owner);
    const RepoId target{to.type, owner.name, to.name};
    require_namespace(database, caller, owner, kWriteRepo, "move a repository");
    refuse_taken(database, target);
    const int type = static_cast<int>(to.type);
    database.run("DELETE FROM repo_aliases WHERE type = ?1 AND owner = ?2 AND name = ?3", type, target.owner, target.name);
    database.run("UPDATE repos SET owner_id = ?2, owner = ?3, name = ?4, modified_ms = ?5 WHERE id = ?1", repo.id, owner.id, target.owner, target.name, clock_.now_ms());
    database.run("INSERT INTO repo_aliases (type, owner, name, repo_id) VALUES (?1, ?2, ?3, ?4) "
                 "ON CONFLICT (type, owner, name) DO UPDATE SET repo_id = excluded.repo_id", type, repo.repo_id.owner, repo.repo_id.name, repo.id);
    audit_->record(database, caller, "repo.move", target_of(repo.repo_id), {{"to", target.full_name()}});
    webhooks_->note(database, repo, {"move", "repo", {{"movedTo", json::object{{"name", target.full_name()}, {"owner", json::object{{"id", target.owner}}}}}}});
  });
  catalogue_->refresh(repo.id);
}

void HubImpl::update_repo(const Caller& caller, const RepoId& id, std::optional<bool> is_private, std::optional<std::string> gated) {
  const Repo repo = get_for_write(caller, id);
  if (gated && !gated->empty() && *gated != "auto" && *gated != "manual") {
    throw Error(Code::invalid_argument, "gated is \"auto\", \"manual\" or empty");
  }
  transact([&](Database& database) {
    if (is_private) database.run("UPDATE repos SET is_private = ?2 WHERE id = ?1", repo.id, *is_private);
    if (gated) database.run("UPDATE repos SET gated = ?2 WHERE id = ?1", repo.id, *gated);
    json::object details;
    if (is_private) details["private"] = *is_private;
    if (gated) details["gated"] = *gated;
    audit_->record(database, caller, "repo.settings", target_of(repo.repo_id), details);
    if (is_private) webhooks_->note(database, repo, {"update", "repo.config", {{"updatedConfig", json::object{{"private", *is_private}}}}});
  });
  catalogue_->refresh(repo.id);
}

RepoPool::Lease HubImpl::open_git(const Repo& repo) {
  if (repo.head.empty()) throw Error(Code::conflict, repo.repo_id.full_name() + " is a catalogue entry: this hub knows its description, not its files; delete it to use its name");
  return pool_.open(folder_of(repo.public_id));
}

bool HubImpl::is_pending(const Repo& repo) {
  const auto reader = store_->read();
  return reader->query("SELECT 1 FROM repos WHERE id = ?1 AND (refs_pending <> 0 OR push_pending <> 0)", repo.id).step();
}

std::filesystem::path HubImpl::git_folder(const Repo& repo) {
  if (repo.head.empty()) throw repo_not_found();
  bool unsynced = false;
  {
    const std::lock_guard lock(refs_mutex_);
    unsynced = refs_unsynced_.contains(repo.id);
  }
  // Another hub may have died while it was writing. If the lock is taken, that hub lives, and what is on disk is as it should be.
  if (is_shared() && !unsynced && is_pending(repo)) locks_.try_lock(repo.id);
  if (unsynced) {
    const auto held = locks_.lock(repo.id);
    const auto git = open_git(repo);
    sync_refs(repo, *git);
  }
  return folder_of(repo.public_id);
}

}  // namespace lyceum::hub
