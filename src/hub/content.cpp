#include <algorithm>

#include "base/error.h"
#include "git/history.h"
#include "git/lfs_pointer.h"
#include "hub/hub_impl.h"
#include "hub/names.h"

namespace lyceum::hub {
namespace {

constexpr uint64_t kBinaryInGitMax = 1u << 20;
constexpr uint64_t kAttributesBytesMax = 1u << 20;

git::Oid commit_oid(std::string_view hex) {
  const auto oid = git::find_oid(hex);
  if (!oid) throw Error(Code::not_found, "Invalid rev id: " + std::string(hex.substr(0, 100)), "RevisionNotFound");
  return *oid;
}

Error entry_not_found(std::string_view path) { return {Code::not_found, "Entry not found: " + std::string(path.substr(0, 200)), "EntryNotFound"}; }

std::string_view without_end_slashes(std::string_view folder) {
  while (folder.ends_with('/')) folder.remove_suffix(1);
  return folder;
}

std::string joined(std::string_view folder, std::string_view name) {
  return folder.empty() ? std::string(name) : std::string(folder) + "/" + std::string(name);
}

}  // namespace

std::string HubImpl::resolve_revision(const Repo& repo, std::string_view revision) {
  const auto reader = store_->read();
  std::vector<std::string> names;
  if (revision == "HEAD") names = {"refs/heads/main"};
  else if (revision.starts_with("refs/")) names = {std::string(revision)};
  else names = {"refs/heads/" + std::string(revision), "refs/tags/" + std::string(revision)};
  for (const std::string& name : names) {
    Rows rows = reader->query("SELECT commit_id FROM refs WHERE repo_id = ?1 AND name = ?2", repo.id, name);
    if (rows.step()) return rows.text(0);
  }
  if (revision.size() >= 5 && is_hex(revision, revision.size())) {
    const auto git = open_git(repo);
    const auto object = git->find_by_prefix(revision);
    const auto commit = object ? git->find_commit(*object) : std::nullopt;
    if (commit) return commit->hex();
  }
  throw Error(Code::not_found, "Invalid rev id: " + std::string(revision.substr(0, 100)), "RevisionNotFound");
}

// A pointer stands for a large file only in a repository that may use the blob. Otherwise it is the small text that it is: pushing a
// pointer must not open somebody else's file.
std::optional<HubImpl::PointerSeen> HubImpl::find_pointer(Database& database, const Repo& repo, const git::Repository& git, const git::Oid& oid, uint64_t size) {
  constexpr size_t kCachedMax = 200'000;
  constexpr uint64_t kPointerBytesMin = 100;
  if (size < kPointerBytesMin || size > git::kLfsPointerBytesMax) return std::nullopt;
  const std::string key = std::to_string(repo.id) + ":" + std::string(reinterpret_cast<const char*>(oid.bytes.data()), oid.bytes.size());
  {
    const std::lock_guard lock(pointers_mutex_);
    if (const auto found = pointers_.find(key); found != pointers_.end()) return found->second;
  }
  const auto pointer = git::find_lfs_pointer(git.read_object(oid, git::Kind::blob));
  if (!pointer || !is_linked(database, repo, pointer->sha256)) return std::nullopt;
  const PointerSeen seen{pointer->sha256, pointer->size};
  const std::lock_guard lock(pointers_mutex_);
  if (pointers_.size() >= kCachedMax) pointers_.clear();
  pointers_.emplace(key, seen);
  return seen;
}

void HubImpl::forget_pointers(const Repo& repo) {
  const std::string prefix = std::to_string(repo.id) + ":";
  const std::lock_guard lock(pointers_mutex_);
  std::erase_if(pointers_, [&](const auto& item) { return item.first.starts_with(prefix); });
}

FileEntry HubImpl::describe(Database& database, const Repo& repo, const git::Repository& git, const git::TreeEntry& entry, std::string path) {
  FileEntry out;
  out.path = std::move(path);
  out.oid = entry.oid.hex();
  out.is_folder = entry.is_folder();
  if (!entry.is_blob()) return out;
  const auto info = git.find_object(entry.oid);
  if (!info) throw Error(Code::internal, "the repository lacks object " + out.oid + "; run `lyceum fsck`");
  out.size = info->size;
  const auto pointer = entry.mode == git::Mode::link ? std::nullopt : find_pointer(database, repo, git, entry.oid, info->size);
  if (!pointer) return out;
  out.size = pointer->size;
  out.sha256 = pointer->sha256;
  Rows rows = database.query("SELECT f.hash FROM blobs b JOIN xet_files f ON f.blob_id = b.id WHERE b.sha256 = ?1 LIMIT 1", Blob{digest_bytes(out.sha256)});
  if (rows.step()) out.xet_hash = to_hex(as_bytes(rows.text(0)));
  return out;
}

std::optional<FileEntry> HubImpl::find_entry(const Repo& repo, std::string_view commit, std::string_view path) {
  path = without_end_slashes(path);
  if (path.empty()) return std::nullopt;
  if (auto known = files_.find_entry(repo, commit, path)) return known;
  const git::Oid oid = commit_oid(commit);
  const auto git = open_git(repo);
  if (!git->find_object(oid)) throw Error(Code::not_found, "Invalid rev id: " + std::string(commit), "RevisionNotFound");
  const auto entry = git->find_path(git->read_commit(oid).tree, path);
  if (!entry) return std::nullopt;
  const auto reader = store_->read();
  FileEntry out = describe(*reader, repo, *git, *entry, std::string(path));
  if (!out.is_folder && out.sha256.empty() && commit.size() == 40) {
    // A pointer without its file may get it later.
    const bool settled = out.size > git::kLfsPointerBytesMax || !git::find_lfs_pointer(git->read_object(entry->oid, git::Kind::blob));
    if (settled) files_.put_entry(repo, commit, out);
  }
  return out;
}

std::vector<FileEntry> HubImpl::tree(const Repo& repo, std::string_view commit, std::string_view folder, bool recursive, bool with_last_commit) {
  folder = without_end_slashes(folder);
  const git::Oid oid = commit_oid(commit);
  const auto git = open_git(repo);
  if (!git->find_object(oid)) throw Error(Code::not_found, "Invalid rev id: " + std::string(commit), "RevisionNotFound");
  const auto root = git->find_path(git->read_commit(oid).tree, folder);
  if (!root || !root->is_folder()) throw entry_not_found(folder);
  const auto reader = store_->read();
  std::vector<FileEntry> out;
  const std::function<void(const git::Oid&, std::string_view)> list = [&](const git::Oid& tree_oid, std::string_view prefix) {
    for (const git::TreeEntry& entry : git->read_tree(tree_oid)) {
      out.push_back(describe(*reader, repo, *git, entry, joined(prefix, entry.name)));
      if (recursive && entry.is_folder()) list(entry.oid, joined(prefix, entry.name));
    }
  };
  list(root->oid, folder);
  if (with_last_commit) add_last_commits(repo, *git, oid, folder, recursive, out);
  return out;
}

void HubImpl::add_last_commits(const Repo& repo, git::Repository& git, const git::Oid& commit, std::string_view folder, bool recursive, std::vector<FileEntry>& entries) {
  const std::string key = std::to_string(repo.id) + ":" + commit.hex() + (recursive ? "r" : "f") + std::string(folder);
  auto last = last_commits_.find(key);
  if (!last) {
    std::vector<std::string> paths;
    for (const FileEntry& entry : entries) paths.push_back(entry.path);
    last = std::make_shared<const LastCommitCache::Paths>(git::last_commits(git, commit, folder, recursive, paths));
    last_commits_.put(key, last);
  }
  std::map<git::Oid, FileEntry::LastCommit> known;
  for (FileEntry& entry : entries) {
    const auto found = last->find(entry.path);
    if (found == last->end()) continue;
    auto info = known.find(found->second);
    if (info == known.end()) {
      const CommitInfo details = commit_info(git, found->second);
      info = known.emplace(found->second, FileEntry::LastCommit{details.id, details.title, details.date_ms}).first;
    }
    entry.last_commit = info->second;
  }
}

std::string HubImpl::read_small(const Repo& repo, const FileEntry& entry) {
  const auto oid = git::find_oid(entry.oid);
  if (!oid || entry.is_folder) throw entry_not_found(entry.path);
  if (auto known = files_.find_content(entry.oid)) return std::move(*known);
  std::string content = open_git(repo)->read_object(*oid, git::Kind::blob);
  files_.put_content(entry.oid, content);
  return content;
}

Refs HubImpl::refs(const Repo& repo) {
  Refs out;
  const auto reader = store_->read();
  Rows rows = reader->query("SELECT name, commit_id FROM refs WHERE repo_id = ?1 ORDER BY name", repo.id);
  const std::pair<std::string_view, std::vector<Refs::Ref>*> kinds[] = {
      {"refs/heads/", &out.branches}, {"refs/tags/", &out.tags}, {"refs/pr/", &out.pull_requests}, {"refs/convert/", &out.converts}};
  while (rows.step()) {
    const std::string ref = rows.text(0);
    for (const auto& [prefix, list] : kinds) {
      if (ref.starts_with(prefix)) list->push_back({ref.substr(prefix.size()), ref, rows.text(1)});
    }
  }
  return out;
}

CommitInfo HubImpl::commit_info(const git::Repository& git, const git::Oid& oid) {
  const git::Commit commit = git.read_commit(oid);
  CommitInfo out;
  out.id = oid.hex();
  const size_t end = std::min(commit.message.find('\n'), commit.message.size());
  out.title = commit.message.substr(0, end);
  const size_t body = commit.message.find_first_not_of('\n', end);
  if (body != std::string::npos) out.message = commit.message.substr(body);
  while (!out.message.empty() && out.message.back() == '\n') out.message.pop_back();
  out.date_ms = commit.committer.when_s * 1000;
  out.author_name = commit.author.name;
  out.author_email = commit.author.email;
  for (const git::Oid& parent : commit.parents) out.parents.push_back(parent.hex());
  return out;
}

std::vector<CommitInfo> HubImpl::commits(const Repo& repo, std::string_view revision, size_t limit, size_t offset, size_t* total) {
  const git::Oid tip = commit_oid(resolve_revision(repo, revision));
  const auto git = open_git(repo);
  std::vector<CommitInfo> out;
  size_t seen = 0;
  git::walk_commits(*git, {tip}, {}, [&](const git::Oid& oid) {
    if (seen >= offset && out.size() < limit) out.push_back(commit_info(*git, oid));
    ++seen;
    return total != nullptr || out.size() < limit;
  });
  if (total != nullptr) *total = seen;
  return out;
}

// The one rule for what goes to git and what goes to the blob store, for preupload and for commit alike:
// empty files and files that .gitattributes keeps out of LFS stay in git (up to the inline limit); what it puts in LFS is large; so is
// anything over the inline limit; so is binary content over 1 MiB, which git could neither show nor merge.
bool HubImpl::decide_large(git::FilterRule rule, uint64_t size, std::string_view sample) const {
  if (size == 0) return false;
  if (rule == git::FilterRule::lfs || size > options_.inline_limit_bytes) return true;
  return rule == git::FilterRule::unspecified && size > kBinaryInGitMax && looks_binary(sample);
}

bool HubImpl::wants_large(const Repo& repo, std::string_view revision, std::string_view path, uint64_t size, Bytes sample) {
  const git::Oid commit = commit_oid(resolve_revision(repo, revision));
  const auto git = open_git(repo);
  const git::Oid root = git->read_commit(commit).tree;
  git::Attributes attributes;
  for (size_t slash = 0; slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
    const std::string_view folder = path.substr(0, slash);
    const auto entry = git->find_path(root, joined(folder, ".gitattributes"));
    const auto info = entry && entry->is_blob() ? git->find_object(entry->oid) : std::nullopt;
    if (info && info->size <= kAttributesBytesMax) attributes.add(folder, git->read_object(entry->oid, git::Kind::blob));
  }
  return decide_large(attributes.filter_of(path), size, as_text(sample));
}

}  // namespace lyceum::hub
