#include "hub/rewrite.h"

#include "git/history.h"
#include "git/lfs_pointer.h"

namespace lyceum::hub {

git::Oid Rewriter::add(git::Kind kind, std::string content) {
  const git::Oid oid = git::object_id(kind, content);
  fresh_bytes_ += content.size();
  fresh_.try_emplace(oid, git::Repository::NewObject{kind, std::move(content)});
  if (fresh_bytes_ > (32u << 20)) flush();
  return oid;
}

void Rewriter::flush() {
  git_.write_objects(fresh_);
  fresh_.clear();
  fresh_bytes_ = 0;
}

bool Rewriter::is_dropped(const git::TreeEntry& entry) {
  if (!entry.is_blob() || entry.mode == git::Mode::link) return false;
  const auto known = blobs_.find(entry.oid);
  if (known != blobs_.end()) return known->second;
  bool dropped = false;
  if (const auto info = git_.find_object(entry.oid); info && info->size <= git::kLfsPointerBytesMax) {
    const auto pointer = git::find_lfs_pointer(git_.read_object(entry.oid, git::Kind::blob));
    dropped = pointer && sha256s_.contains(pointer->sha256);
  }
  return blobs_.emplace(entry.oid, dropped).first->second;
}

std::optional<git::Oid> Rewriter::rewrite_tree(const git::Oid& oid) {
  const auto known = trees_.find(oid);
  if (known != trees_.end()) return known->second;
  std::vector<git::TreeEntry> kept;
  bool changed = false;
  for (git::TreeEntry& entry : git_.read_tree(oid)) {
    std::optional<git::Oid> target = entry.oid;
    if (entry.is_folder()) target = rewrite_tree(entry.oid);
    else if (is_dropped(entry)) target.reset();
    changed = changed || target != entry.oid;
    if (!target) continue;
    entry.oid = *target;
    kept.push_back(std::move(entry));
  }
  std::optional<git::Oid> out = oid;
  if (changed) out = kept.empty() ? std::nullopt : std::optional(add(git::Kind::tree, git::format_tree(std::move(kept))));
  return trees_.emplace(oid, out).first->second;
}

git::Oid Rewriter::rewrite_commit(const git::Oid& oid) {
  git::Commit commit = git_.read_commit(oid);
  const git::Commit before = commit;
  const auto tree = rewrite_tree(commit.tree);
  commit.tree = tree ? *tree : add(git::Kind::tree, "");
  for (git::Oid& parent : commit.parents) {
    if (const auto found = commits_.find(parent); found != commits_.end()) parent = found->second;
  }
  if (commit.tree == before.tree && commit.parents == before.parents) return oid;
  return add(git::Kind::commit, git::format_commit(commit));
}

git::Oid Rewriter::rewrite(const git::Oid& tip) {
  std::vector<git::Oid> past;  // children before parents
  git::walk_commits(git_, {tip}, {}, [&](const git::Oid& oid) {
    past.push_back(oid);
    return true;
  });
  for (auto oid = past.rbegin(); oid != past.rend(); ++oid) {
    if (!commits_.contains(*oid)) commits_.emplace(*oid, rewrite_commit(*oid));
  }
  return commits_.at(tip);
}

}  // namespace lyceum::hub
