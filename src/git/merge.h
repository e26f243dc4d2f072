// merge.h: bringing two histories together, and what lies between two trees, over libgit2. No working copy is needed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "git/repository.h"

namespace lyceum::git {

// The newest commit that both have in their past; nullopt for unrelated histories.
std::optional<Oid> find_merge_base(const Repository& repository, const Oid& a, const Oid& b);

struct Merge {
  Oid tree;                             // durable; zero when there are conflicts
  std::vector<std::string> conflicts;   // paths that both sides changed differently, sorted
};

// Three-way merge of two commits with their merge base, renames followed. Two sides that both added lines to a .gitattributes do
// not conflict: the lines of both are kept (the hub itself writes such lines on every branch).
Merge merge_commits(Repository& repository, const Oid& ours, const Oid& theirs);

enum class DiffFormat { patch, raw };   // `git diff` and `git diff --raw`

// The text of what changed; nullopt = the empty tree. Renames are found. Binary files are named, not shown. Text over
// limit_bytes ends with a line that says so.
std::string diff_text(const Repository& repository, std::optional<Oid> before_tree, std::optional<Oid> after_tree, DiffFormat format, size_t limit_bytes);

}  // namespace lyceum::git
