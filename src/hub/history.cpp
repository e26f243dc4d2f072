#include "hub/history.h"

#include <algorithm>

#include "base/error.h"
#include "git/history.h"
#include "git/lfs_pointer.h"
#include "git/merge.h"
#include "hub/hub_impl.h"
#include "hub/names.h"
#include "hub/rewrite.h"

namespace lyceum::hub {
namespace {

constexpr size_t kDiffMax = 16u << 20, kMessageMax = 64u << 10;

// Names large files by walking trees; stops looking once all are named.
class Namer {
 public:
  Namer(const git::Repository& git, std::map<std::string, StoredLargeFile*> unnamed) : git_(git), unnamed_(std::move(unnamed)) {}
  bool done() const { return unnamed_.empty(); }

  void look(const std::string& ref, std::optional<git::Oid> before, const git::Oid& after) {
    git::diff_trees(git_, before, after, true, [&](const std::string& path, const git::TreeEntry*, const git::TreeEntry* entry) {
      if (done() || entry == nullptr || !entry->is_blob() || !seen_.insert(entry->oid).second) return;
      const auto info = git_.find_object(entry->oid);
      if (!info || info->size > git::kLfsPointerBytesMax) return;
      const auto pointer = git::find_lfs_pointer(git_.read_object(entry->oid, git::Kind::blob));
      const auto found = pointer ? unnamed_.find(pointer->sha256) : unnamed_.end();
      if (found == unnamed_.end()) return;
      found->second->path = path;
      found->second->ref = ref;
      unnamed_.erase(found);
    });
  }

 private:
  const git::Repository& git_;
  std::map<std::string, StoredLargeFile*> unnamed_;
  std::set<git::Oid> seen_;
};

}  // namespace

std::string History::diff(const Repo& repo, const std::string& a, const std::string& b, bool raw) {
  const auto before = git::find_oid(hub_.resolve_revision(repo, a)), after = git::find_oid(hub_.resolve_revision(repo, b));
  const auto git = hub_.open_git(repo);
  return git::diff_text(*git, git->read_commit(*before).tree, git->read_commit(*after).tree, raw ? git::DiffFormat::raw : git::DiffFormat::patch, kDiffMax);
}

CommitInfo History::super_squash(const Caller& caller, const RepoId& id, const std::string& branch, const std::string& message) {
  const std::string ref = full_ref_name(branch);
  if (!ref.starts_with("refs/heads/")) throw Error(Code::invalid_argument, "Invalid reference for a branch: " + branch + "; only branches can be squashed");
  if (message.size() > kMessageMax || !is_utf8(message)) throw Error(Code::invalid_argument, "a commit message is valid UTF-8 of at most 64 KiB");
  const Repo seen = hub_.get_for_write(caller, id);
  const auto held = hub_.locks_.lock(seen.id);
  const Repo repo = hub_.get_for_write(caller, id);
  const auto head = hub_.find_ref(*hub_.store_->read(), repo, ref);
  if (!head) {
    if (hub_.find_ref(*hub_.store_->read(), repo, "refs/tags/" + branch)) throw Error(Code::invalid_argument, "Invalid reference for a branch: " + branch + " is a tag");
    throw Error(Code::not_found, "Invalid rev id: " + branch, "RevisionNotFound");
  }
  const auto git = hub_.open_git(repo);
  git::Commit next = git->read_commit(*head);
  next.parents.clear();
  const std::string email = caller.user->email.empty() ? caller.user->name + "@localhost" : caller.user->email;
  next.author = next.committer = {caller.user->name, email, hub_.clock_.now_ms() / 1000, 0};
  next.message = (message.empty() ? "Super-squash branch '" + branch + "'" : message) + "\n";
  std::string text = git::format_commit(next);
  const git::Oid oid = git::object_id(git::Kind::commit, text);
  git->write_objects({{oid, {git::Kind::commit, std::move(text)}}});
  hub_.move_refs(repo, *git, {{ref, oid, true}}, {}, &caller);
  return hub_.commit_info(*git, oid);
}

std::vector<StoredLargeFile> History::large_files(const Repo& repo) {
  std::vector<StoredLargeFile> out;
  std::vector<std::pair<std::string, git::Oid>> refs;
  {
    const auto reader = hub_.store_->read();
    Rows rows = reader->query("SELECT b.sha256, b.size, l.linked_ms FROM repo_blobs l JOIN blobs b ON b.id = l.blob_id WHERE l.repo_id = ?1 ORDER BY l.linked_ms DESC, b.id DESC", repo.id);
    while (rows.step()) out.push_back({to_hex(as_bytes(rows.text(0))), "", "", static_cast<uint64_t>(rows.integer(1)), rows.integer(2)});
    Rows tips = reader->query("SELECT name, commit_id FROM refs WHERE repo_id = ?1 ORDER BY name", repo.id);
    while (tips.step()) refs.emplace_back(tips.text(0), *git::find_oid(tips.text(1)));
  }
  std::map<std::string, StoredLargeFile*> unnamed;
  for (StoredLargeFile& file : out) unnamed.emplace(file.sha256, &file);
  const auto git = hub_.open_git(repo);
  Namer namer(*git, std::move(unnamed));
  for (const auto& [name, tip] : refs) namer.look(name, std::nullopt, git->read_commit(tip).tree);
  for (const auto& [name, tip] : refs) {
    if (namer.done()) break;
    git::walk_commits(*git, {tip}, {}, [&, &name = name](const git::Oid& oid) {
      const git::Commit commit = git->read_commit(oid);
      const auto parent = commit.parents.empty() ? std::nullopt : std::optional(git->read_commit(commit.parents.front()).tree);
      namer.look(name, parent, commit.tree);
      return !namer.done();
    });
  }
  return out;
}

void History::remove_large_files(const Caller& caller, const RepoId& id, const std::set<std::string>& sha256s, bool rewrite) {
  for (const std::string& sha256 : sha256s) digest_bytes(sha256);
  const Repo seen = hub_.get_for_write(caller, id);
  const auto held = hub_.locks_.lock(seen.id);
  const Repo repo = hub_.get_for_write(caller, id);
  const auto git = hub_.open_git(repo);
  std::vector<HubImpl::RefChange> changes;
  if (rewrite) {
    std::vector<std::pair<std::string, git::Oid>> refs;
    {
      const auto reader = hub_.store_->read();
      Rows rows = reader->query("SELECT name, commit_id FROM refs WHERE repo_id = ?1", repo.id);
      while (rows.step()) refs.emplace_back(rows.text(0), *git::find_oid(rows.text(1)));
    }
    Rewriter rewriter(*git, sha256s);
    for (const auto& [name, tip] : refs) {
      const git::Oid made = rewriter.rewrite(tip);
      if (made != tip) changes.push_back({name, made, true});
    }
    rewriter.flush();
  }
  const auto unlink = [&](Database& database) {
    for (const std::string& sha256 : sha256s) {
      database.run("DELETE FROM repo_blobs WHERE repo_id = ?1 AND blob_id IN (SELECT id FROM blobs WHERE sha256 = ?2)", repo.id, Blob{digest_bytes(sha256)});
    }
  };
  hub_.move_refs(repo, *git, changes, unlink, &caller);
  hub_.forget_pointers(repo);
}

}  // namespace lyceum::hub
