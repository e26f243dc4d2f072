#include "base/error.h"
#include "base/log.h"
#include "git/history.h"
#include "hub/card.h"
#include "hub/hub_impl.h"
#include "hub/names.h"

namespace lyceum::hub {
namespace {


// The names of the files in the root, and the README if there is one.
std::set<std::string> root_files(const git::Repository& git, const git::Oid& commit, std::string& readme) {
  constexpr uint64_t kReadmeMax = 1u << 20;
  std::set<std::string> out;
  for (const git::TreeEntry& entry : git.read_tree(git.read_commit(commit).tree)) {
    if (!entry.is_blob()) continue;
    out.insert(entry.name);
    if (entry.name != "README.md") continue;
    const auto info = git.find_object(entry.oid);
    if (info && info->size <= kReadmeMax) readme = git.read_object(entry.oid, git::Kind::blob);
  }
  return out;
}

}  // namespace

std::string full_ref_name(std::string_view branch) {
  if (!branch.starts_with("refs/")) {
    check_ref_name(branch);
    return "refs/heads/" + std::string(branch);
  }
  check_ref_name(branch.substr(5));
  for (const std::string_view prefix : {"refs/heads/", "refs/pr/", "refs/convert/"}) {
    if (branch.starts_with(prefix) && branch.size() > prefix.size()) return std::string(branch);
  }
  throw Error(Code::invalid_argument, "\"" + std::string(branch.substr(0, 200)) + "\" is not a branch");
}

std::optional<git::Oid> HubImpl::find_ref(Database& database, const Repo& repo, std::string_view name) {
  Rows rows = database.query("SELECT target FROM refs WHERE repo_id = ?1 AND name = ?2", repo.id, name);
  return rows.step() ? git::find_oid(rows.text(0)) : std::nullopt;
}

void HubImpl::index_main(Database& database, const Repo& repo, const git::Repository& git, const git::Oid& commit) {
  std::string readme;
  const auto files = root_files(git, commit, readme);
  const json::object card = parse_card(readme);
  const CardSummary summary = summarise_card(repo.repo_id.type, card, files);
  json::array tags;
  for (const std::string& tag : summary.tags) tags.emplace_back(tag);
  database.run("UPDATE repos SET head = ?2, modified_ms = ?3, card = ?4, tags = ?5, pipeline_tag = ?6, library_name = ?7, "
               "sdk = CASE WHEN ?8 = '' THEN sdk ELSE ?8 END WHERE id = ?1",
               repo.id, commit.hex(), clock_.now_ms(), json::serialize(card), json::serialize(tags), summary.pipeline_tag, summary.library_name, summary.sdk);
}

void HubImpl::move_refs(const Repo& repo, git::Repository& git, const std::vector<RefChange>& changes, const std::function<void(Database&)>& extra, const Caller* mover) {
  {
    const std::lock_guard lock(refs_mutex_);
    refs_done_.erase(repo.id);
  }
  transact([&](Database& database) {
    Rows alive = database.query("SELECT 1 FROM repos WHERE id = ?1", repo.id);
    if (!alive.step()) throw repo_not_found();
    // Asked after the transaction's first look: until then nobody else can have written, and who writes later conflicts with this transaction.
    if (has_lost_lock(repo)) throw lock_lost(repo);
    if (extra) extra(database);
    json::array updated;
    for (const RefChange& change : changes) {
      const auto before = find_ref(database, repo, change.name);
      updated.push_back(json::object{{"ref", change.name}, {"oldSha", before ? json::value(before->hex()) : json::value(nullptr)},
                                     {"newSha", change.target ? json::value(change.target->hex()) : json::value(nullptr)}});
      if (!change.target) {
        database.run("DELETE FROM refs WHERE repo_id = ?1 AND name = ?2", repo.id, change.name);
        continue;
      }
      const auto commit = git.find_commit(*change.target);
      LYCEUM_CHECK(commit, "a ref is moved to an object that leads to a commit");
      database.run("INSERT INTO refs (repo_id, name, target, commit_id) VALUES (?1, ?2, ?3, ?4) "
                   "ON CONFLICT (repo_id, name) DO UPDATE SET target = excluded.target, commit_id = excluded.commit_id",
                   repo.id, change.name, change.target->hex(), commit->hex());
      if (change.name == kMain) index_main(database, repo, git, *commit);
      const auto num = change.rewritten ? std::nullopt : find_pull_request_number(change.name);
      if (num) discussions_->note_moved(database, repo, git, *num, before, *commit, mover);
    }
    if (!updated.empty()) announce_refs(database, repo, std::move(updated));
    // A push that another hub began, and lost its lock for, must not be adopted any more.
    database.run("UPDATE repos SET refs_pending = 1, push_pending = 0 WHERE id = ?1", repo.id);
  });
  catalogue_->refresh(repo.id);
  try {
    write_ref_files(repo, git, changes);
  } catch (const Error& error) {
    // The change is committed: the database has it. The ref files follow before git reads the folder, or at the next start.
    log::warn("{}: the ref files will be written later: {}", repo.repo_id.full_name(), error.what());
    const std::lock_guard lock(refs_mutex_);
    refs_unsynced_.insert(repo.id);
  }
}

// Opening a hub alone recovers without locks, and over SQLite they cannot be lost.
bool HubImpl::has_lost_lock(const Repo& repo) { return is_shared() && !locks_.is_intact(repo.id); }

Error HubImpl::lock_lost(const Repo& repo) {
  return {Code::unavailable, "the connection that held the lock of " + repo.repo_id.full_name() + " broke; try again"};
}

void HubImpl::write_ref_files(const Repo& repo, git::Repository& git, const std::vector<RefChange>& changes) {
  {
    const std::lock_guard lock(refs_mutex_);
    if (refs_unsynced_.contains(repo.id)) throw Error(Code::unavailable, "earlier refs are waiting");
    if (cleaned_.insert(repo.id).second) git::Repository::remove_leftovers(git.folder());
  }
  for (const RefChange& change : changes) {
    if (change.target) git.set_ref(change.name, *change.target);
    else git.remove_ref(change.name);
  }
  mark_refs_written(repo);
}

// One hub: the mark rides along with the next transaction. Several hubs: cleared now, if the lock was ours all the time; if the store lost
// it, another hub may have written in between, and the next one to take the lock compares.
void HubImpl::mark_refs_written(const Repo& repo) {
  if (!is_shared()) {
    const std::lock_guard lock(refs_mutex_);
    refs_done_.insert(repo.id);
    return;
  }
  const bool ours = locks_.is_intact(repo.id);
  store_->write([&](Database& database) {
    database.execute("SET LOCAL synchronous_commit = off");  // losing the mark costs a comparison
    database.run("UPDATE repos SET refs_pending = ?2 WHERE id = ?1", repo.id, !ours);
  });
  if (!ours) throw Error(Code::unavailable, "the lock was lost while the refs were being written");
}

void HubImpl::sync_refs(const Repo& repo, git::Repository& git) {
  git::Repository::remove_leftovers(git.folder());
  std::map<std::string, git::Oid> wanted;
  {
    const auto reader = store_->read();
    Rows rows = reader->query("SELECT name, target FROM refs WHERE repo_id = ?1", repo.id);
    while (rows.step()) wanted.emplace(rows.text(0), *git::find_oid(rows.text(1)));
  }
  const auto present = git.list_refs();
  for (const auto& [name, oid] : present) {
    if (!wanted.contains(name)) git.remove_ref(name);
  }
  for (const auto& [name, oid] : wanted) {
    const auto found = present.find(name);
    if (found == present.end() || found->second != oid) git.set_ref(name, oid);
  }
  mark_refs_written(repo);
  const std::lock_guard lock(refs_mutex_);
  refs_unsynced_.erase(repo.id);
  cleaned_.insert(repo.id);
}

// A commit of no files, so that a branch can start from nothing.
git::Oid HubImpl::write_empty_commit(const Caller& caller, git::Repository& git) {
  git::Commit commit;
  commit.tree = git::object_id(git::Kind::tree, "");
  commit.author = {caller.user->name, caller.user->email.empty() ? caller.user->name + "@localhost" : caller.user->email, clock_.now_ms() / 1000, 0};
  commit.committer = commit.author;
  commit.message = "initial commit\n";
  std::string text = git::format_commit(commit);
  const git::Oid oid = git::object_id(git::Kind::commit, text);
  git.write_objects({{commit.tree, {git::Kind::tree, ""}}, {oid, {git::Kind::commit, std::move(text)}}});
  return oid;
}

// Every change of a ref is news to whoever watches the repository.
void HubImpl::announce_refs(Database& database, const Repo& repo, json::array updated) {
  static const std::string sql = "SELECT " + std::string(kRepoColumns) + " FROM repos r WHERE r.id = ?1";
  std::optional<Repo> now;
  {
    Rows rows = database.query(sql, repo.id);
    if (rows.step()) now = read_repo(rows);
  }
  webhooks_->note(database, now.value_or(repo), {"update", "repo.content", {{"updatedRefs", std::move(updated)}}});
}

void HubImpl::create_branch(const Caller& caller, const RepoId& id, const std::string& branch, const std::string& start, const BranchOptions& options) {
  const Repo repo = get_for_write(caller, id);
  const std::string ref = full_ref_name(branch);
  const auto held = locks_.lock(repo.id);
  const auto git = open_git(repo);
  const auto target = options.empty ? std::optional(write_empty_commit(caller, *git)) : git::find_oid(resolve_revision(repo, start.empty() ? "main" : start));
  move_refs(repo, *git, {{ref, target}}, [&](Database& database) {
    const bool exists = find_ref(database, repo, ref).has_value();
    if (exists && !options.overwrite) throw Error(Code::conflict, "the branch \"" + branch + "\" exists already");
    if (exists) return;
    // Git keeps refs as files: "a" and "a/b" cannot both exist.
    Rows rows = database.query("SELECT name FROM refs WHERE repo_id = ?1 AND (substr(name, 1, length(?2) + 1) = ?2 || '/' OR substr(?2, 1, length(name) + 1) = name || '/')",
                               repo.id, ref);
    if (rows.step()) throw Error(Code::conflict, "the branch \"" + branch + "\" cannot exist beside \"" + rows.text(0) + "\"");
  }, &caller);
}

void HubImpl::delete_branch(const Caller& caller, const RepoId& id, const std::string& branch) {
  const Repo repo = get_for_write(caller, id);
  const std::string ref = full_ref_name(branch);
  if (ref == kMain) throw Error(Code::forbidden, "the branch \"main\" cannot be deleted");
  if (ref.starts_with("refs/pr/")) throw Error(Code::forbidden, ref + " belongs to a pull request and stays; close the pull request instead");
  const auto held = locks_.lock(repo.id);
  const auto git = open_git(repo);
  move_refs(repo, *git, {{ref, std::nullopt}}, [&](Database& database) {
    if (!find_ref(database, repo, ref)) throw Error(Code::not_found, "Invalid rev id: " + branch, "RevisionNotFound");
  }, &caller);
}

void HubImpl::create_tag(const Caller& caller, const RepoId& id, const std::string& tag, const std::string& revision, const std::string& message) {
  const Repo repo = get_for_write(caller, id);
  check_ref_name(tag);
  if (tag.starts_with("refs/")) throw Error(Code::invalid_argument, "a tag's name may not start with refs/");
  const std::string ref = "refs/tags/" + tag;
  const auto held = locks_.lock(repo.id);
  auto target = git::find_oid(resolve_revision(repo, revision.empty() ? "main" : revision));
  const auto git = open_git(repo);
  if (!message.empty()) {
    git::Tag object;
    object.target = *target;
    object.name = tag;
    object.tagger = {caller.user->name, caller.user->email.empty() ? caller.user->name + "@localhost" : caller.user->email, clock_.now_ms() / 1000, 0};
    object.message = message + "\n";
    std::string text = git::format_tag(object);
    target = git::object_id(git::Kind::tag, text);
    git->write_objects({{*target, {git::Kind::tag, std::move(text)}}});
  }
  move_refs(repo, *git, {{ref, target}}, [&](Database& database) {
    if (find_ref(database, repo, ref)) throw Error(Code::conflict, "the tag \"" + tag + "\" exists already");
    Rows rows = database.query("SELECT name FROM refs WHERE repo_id = ?1 AND (substr(name, 1, length(?2) + 1) = ?2 || '/' OR substr(?2, 1, length(name) + 1) = name || '/')",
                               repo.id, ref);
    if (rows.step()) throw Error(Code::conflict, "the tag \"" + tag + "\" cannot exist beside \"" + rows.text(0) + "\"");
  }, &caller);
}

void HubImpl::delete_tag(const Caller& caller, const RepoId& id, const std::string& tag) {
  const Repo repo = get_for_write(caller, id);
  check_ref_name(tag);
  const std::string ref = "refs/tags/" + tag;
  const auto held = locks_.lock(repo.id);
  const auto git = open_git(repo);
  move_refs(repo, *git, {{ref, std::nullopt}}, [&](Database& database) {
    if (!find_ref(database, repo, ref)) throw Error(Code::not_found, "Invalid rev id: " + tag, "RevisionNotFound");
  }, &caller);
}

}  // namespace lyceum::hub
