#include "git/history.h"

#include <algorithm>
#include <map>
#include <queue>
#include <unordered_set>

#include "git/libgit2.h"

namespace lyceum::git {
namespace {



std::map<std::string, TreeEntry> by_name(const Repository& repository, std::optional<Oid> tree) {
  std::map<std::string, TreeEntry> out;
  if (!tree) return out;
  for (TreeEntry& entry : repository.read_tree(*tree)) {
    std::string key = entry.name;
    out.emplace(std::move(key), std::move(entry));
  }
  return out;
}

struct Differ {
  const Repository& repository;
  bool recursive;
  const DiffVisitor& visit;

  void compare(const std::string& prefix, std::optional<Oid> before, std::optional<Oid> after) {
    if (before == after) return;
    const auto old_entries = by_name(repository, before);
    const auto new_entries = by_name(repository, after);
    for (const auto& [name, entry] : new_entries) {
      const auto old = old_entries.find(name);
      const TreeEntry* previous = old == old_entries.end() ? nullptr : &old->second;
      if (previous == nullptr || previous->oid != entry.oid || previous->mode != entry.mode) report(prefix + name, previous, &entry);
    }
    for (const auto& [name, entry] : old_entries) {
      if (!new_entries.contains(name)) report(prefix + name, &entry, nullptr);
    }
  }

  void report(const std::string& path, const TreeEntry* before, const TreeEntry* after) {
    visit(path, before, after);
    if (!recursive) return;
    const auto folder_id = [](const TreeEntry* entry) { return entry != nullptr && entry->is_folder() ? std::optional(entry->oid) : std::nullopt; };
    compare(path + "/", folder_id(before), folder_id(after));
  }
};

// One pass over the history: each commit carries the set of paths that are still unanswered on its line. A path stays with the
// first parent in which it is unchanged, and is answered by the commit where no parent has the same entry.
class LastCommitWalk {
 public:
  LastCommitWalk(const Repository& repository, std::string_view folder, bool recursive)
      : repository_(repository), folder_(folder), recursive_(recursive) {}

  std::unordered_map<std::string, Oid> run(const Oid& start, const std::vector<std::string>& paths) {
    pending_[start].insert(paths.begin(), paths.end());
    enqueue(start);
    while (!queue_.empty()) {
      const Oid commit = queue_.top().oid;
      queue_.pop();
      queued_.erase(commit);
      visit(commit);
    }
    return std::move(found_);
  }

 private:
  using Paths = std::unordered_set<std::string>;
  struct Item {
    int64_t when;
    uint64_t order;
    Oid oid;
    bool operator<(const Item& other) const { return when != other.when ? when < other.when : order > other.order; }
  };

  void enqueue(const Oid& oid) {
    if (queued_.insert(oid).second) queue_.push({repository_.read_commit(oid).committer.when_s, next_order_++, oid});
  }

  std::optional<Oid> folder_tree(const Commit& commit) const {
    const auto entry = repository_.find_path(commit.tree, folder_);
    return entry && entry->is_folder() ? std::optional(entry->oid) : std::nullopt;
  }

  Paths changed_since(std::optional<Oid> parent_tree, std::optional<Oid> tree) const {
    Paths out;
    const std::string prefix = folder_.empty() ? std::string() : folder_ + "/";
    diff_trees(repository_, parent_tree, tree, recursive_,
               [&](const std::string& path, const TreeEntry*, const TreeEntry*) { out.insert(prefix + path); });
    return out;
  }

  void visit(const Oid& oid) {
    Paths open = std::move(pending_[oid]);
    pending_.erase(oid);
    if (open.empty()) return;
    const Commit commit = repository_.read_commit(oid);
    const std::optional<Oid> tree = folder_tree(commit);
    for (const Oid& parent : commit.parents) {
      const Paths changed = changed_since(folder_tree(repository_.read_commit(parent)), tree);
      Paths& inherited = pending_[parent];
      Paths kept;
      for (const std::string& path : changed) {
        if (open.erase(path) == 1) kept.insert(path);
      }
      if (inherited.empty()) inherited = std::move(open);
      else inherited.merge(open);
      if (!inherited.empty()) enqueue(parent);
      open = std::move(kept);
    }
    for (const std::string& path : open) found_.emplace(path, oid);
  }

  const Repository& repository_;
  const std::string folder_;
  const bool recursive_;
  std::priority_queue<Item> queue_;
  std::unordered_set<Oid> queued_;
  std::unordered_map<Oid, Paths> pending_;
  std::unordered_map<std::string, Oid> found_;
  uint64_t next_order_ = 0;
};

}  // namespace

void walk_commits(const Repository& repository, const std::vector<Oid>& tips, const std::vector<Oid>& hidden,
                  const std::function<bool(const Oid&)>& visit) {
  git_revwalk* raw = nullptr;
  require(git_revwalk_new(&raw, repository.state().repository.get()), "walk the history");
  const Handle<git_revwalk, git_revwalk_free> walk(raw);
  require(git_revwalk_sorting(raw, GIT_SORT_TOPOLOGICAL | GIT_SORT_TIME), "walk the history");
  for (const Oid& tip : tips) {
    const git_oid id = to_git(tip);
    require(git_revwalk_push(raw, &id), "walk from " + tip.hex());
  }
  for (const Oid& oid : hidden) {
    const git_oid id = to_git(oid);
    require(git_revwalk_hide(raw, &id), "walk without " + oid.hex());
  }
  git_oid id;
  while (true) {
    const int result = git_revwalk_next(&id, raw);
    if (result == GIT_ITEROVER) return;
    require(result, "walk the history");
    if (!visit(from_git(id))) return;
  }
}

void diff_trees(const Repository& repository, std::optional<Oid> before, std::optional<Oid> after, bool recursive,
                const DiffVisitor& visit) {
  Differ{repository, recursive, visit}.compare("", before, after);
}

std::unordered_map<std::string, Oid> last_commits(const Repository& repository, const Oid& commit, std::string_view folder,
                                                  bool recursive, const std::vector<std::string>& paths) {
  return LastCommitWalk(repository, folder, recursive).run(commit, paths);
}

}  // namespace lyceum::git
