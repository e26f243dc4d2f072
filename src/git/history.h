// history.h: questions about the past of a repository, each answered by one walk.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "git/repository.h"

namespace lyceum::git {

// Every commit reachable from `tip` and not from any of `hidden`, newest first, children before parents.
void walk_commits(const Repository& repository, const std::vector<Oid>& tips, const std::vector<Oid>& hidden,
                  const std::function<bool(const Oid&)>& visit);  // visit returns false to stop

// Paths whose entry differs between two trees (nullopt = empty), folders included; sub-trees with equal ids are not opened.
// after is null for a path that vanished.
using DiffVisitor = std::function<void(const std::string& path, const TreeEntry* before, const TreeEntry* after)>;
void diff_trees(const Repository& repository, std::optional<Oid> before, std::optional<Oid> after, bool recursive,
                const DiffVisitor& visit);

// For each of `paths` (relative to the root; files or folders present in `commit`): the commit that last changed it, as
// `git log -1 -- path` finds it. All paths lie in `folder`; recursive: at any depth below it, else directly in it.
std::unordered_map<std::string, Oid> last_commits(const Repository& repository, const Oid& commit, std::string_view folder,
                                                  bool recursive, const std::vector<std::string>& paths);

}  // namespace lyceum::git
