#include "git/merge.h"

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "git/libgit2.h"

namespace lyceum::git {
namespace {

using CommitHandle = Handle<git_commit, git_commit_free>;
using TreeHandle = Handle<git_tree, git_tree_free>;
using IndexHandle = Handle<git_index, git_index_free>;
using DiffHandle = Handle<git_diff, git_diff_free>;

CommitHandle open_commit(const Repository& repository, const Oid& oid) {
  const git_oid id = to_git(oid);
  git_commit* raw = nullptr;
  require(git_commit_lookup(&raw, repository.state().repository.get(), &id), "read commit " + oid.hex());
  return CommitHandle(raw);
}

TreeHandle open_tree(const Repository& repository, std::optional<Oid> oid) {
  if (!oid) return nullptr;
  const git_oid id = to_git(*oid);
  git_tree* raw = nullptr;
  require(git_tree_lookup(&raw, repository.state().repository.get(), &id), "read tree " + oid->hex());
  return TreeHandle(raw);
}

bool is_attributes_file(std::string_view path) { return path.substr(path.rfind('/') + 1) == ".gitattributes"; }

struct Conflict {
  git_index_entry ancestor{}, ours{}, theirs{};
  bool has_ancestor = false, has_ours = false, has_theirs = false;
  std::string path;
};

// Copied out, because resolving one changes the index that the iterator walks.
std::vector<Conflict> conflicts_of(git_index* index) {
  git_index_conflict_iterator* raw = nullptr;
  require(git_index_conflict_iterator_new(&raw, index), "list conflicts");
  const Handle<git_index_conflict_iterator, git_index_conflict_iterator_free> iterator(raw);
  std::vector<Conflict> out;
  while (true) {
    const git_index_entry *ancestor = nullptr, *ours = nullptr, *theirs = nullptr;
    const int result = git_index_conflict_next(&ancestor, &ours, &theirs, raw);
    if (result == GIT_ITEROVER) return out;
    require(result, "list conflicts");
    Conflict one;
    const auto take = [](const git_index_entry* from, git_index_entry& into, bool& has) {
      if (from != nullptr) into = *from, has = true;
    };
    take(ancestor, one.ancestor, one.has_ancestor);
    take(ours, one.ours, one.has_ours);
    take(theirs, one.theirs, one.has_theirs);
    one.path = (ours != nullptr ? ours : theirs != nullptr ? theirs : ancestor)->path;
    out.push_back(std::move(one));
  }
}

bool try_union(const Repository& repository, git_index* index, const Conflict& conflict) {
  if (!is_attributes_file(conflict.path) || !conflict.has_ours || !conflict.has_theirs) return false;
  // The entries' own paths live in the index; ours outlives it.
  git_index_entry ancestor = conflict.ancestor, ours = conflict.ours, theirs = conflict.theirs;
  ancestor.path = ours.path = theirs.path = conflict.path.c_str();
  git_merge_file_options options;
  git_merge_file_options_init(&options, GIT_MERGE_FILE_OPTIONS_VERSION);
  options.favor = GIT_MERGE_FILE_FAVOR_UNION;
  git_merge_file_result merged{};
  require(git_merge_file_from_index(&merged, repository.state().repository.get(), conflict.has_ancestor ? &ancestor : nullptr, &ours, &theirs, &options),
          "merge " + conflict.path);
  git_oid blob;
  const int written = git_odb_write(&blob, repository.state().odb.get(), merged.ptr, merged.len, GIT_OBJECT_BLOB);
  git_merge_file_result_free(&merged);
  require(written, "write " + conflict.path);
  require(git_index_conflict_remove(index, conflict.path.c_str()), "merge " + conflict.path);
  git_index_entry entry{};
  entry.path = conflict.path.c_str();
  entry.mode = ours.mode;
  entry.id = blob;
  require(git_index_add(index, &entry), "merge " + conflict.path);
  return true;
}

struct DiffPrinter {
  std::string text;
  size_t limit;
  bool cut = false;

  static int print(const git_diff_delta*, const git_diff_hunk*, const git_diff_line* line, void* self) {
    auto& printer = *static_cast<DiffPrinter*>(self);
    if (printer.text.size() + line->content_len + 1 > printer.limit) {
      printer.cut = true;
      return GIT_EUSER;
    }
    if (line->origin == GIT_DIFF_LINE_CONTEXT || line->origin == GIT_DIFF_LINE_ADDITION || line->origin == GIT_DIFF_LINE_DELETION) printer.text += line->origin;
    printer.text.append(line->content, line->content_len);
    return 0;
  }
};

}  // namespace

std::optional<Oid> find_merge_base(const Repository& repository, const Oid& a, const Oid& b) {
  const git_oid first = to_git(a), second = to_git(b);
  git_oid base;
  const int result = git_merge_base(&base, repository.state().repository.get(), &first, &second);
  if (result == GIT_ENOTFOUND) return std::nullopt;
  require(result, "find a merge base");
  return from_git(base);
}

Merge merge_commits(Repository& repository, const Oid& ours, const Oid& theirs) {
  const CommitHandle our_commit = open_commit(repository, ours), their_commit = open_commit(repository, theirs);
  git_merge_options options;
  git_merge_options_init(&options, GIT_MERGE_OPTIONS_VERSION);
  options.flags = GIT_MERGE_FIND_RENAMES;
  git_index* raw = nullptr;
  require(git_merge_commits(&raw, repository.state().repository.get(), our_commit.get(), their_commit.get(), &options), "merge " + theirs.hex());
  const IndexHandle index(raw);
  Merge out;
  for (const Conflict& conflict : conflicts_of(raw)) {
    if (!try_union(repository, raw, conflict)) out.conflicts.push_back(conflict.path);
  }
  std::sort(out.conflicts.begin(), out.conflicts.end());
  if (!out.conflicts.empty()) return out;
  git_oid tree;
  require(git_index_write_tree_to(&tree, raw, repository.state().repository.get()), "write the merged tree");
  fsync_folder(repository.folder() / "objects");
  out.tree = from_git(tree);
  return out;
}

std::string diff_text(const Repository& repository, std::optional<Oid> before_tree, std::optional<Oid> after_tree, DiffFormat format, size_t limit_bytes) {
  const TreeHandle before = open_tree(repository, before_tree), after = open_tree(repository, after_tree);
  git_diff_options options;
  git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);
  options.id_abbrev = 40;
  options.max_size = 10 << 20;
  git_diff* raw = nullptr;
  require(git_diff_tree_to_tree(&raw, repository.state().repository.get(), before.get(), after.get(), &options), "compare two trees");
  const DiffHandle diff(raw);
  require(git_diff_find_similar(raw, nullptr), "find renames");
  DiffPrinter printer{{}, limit_bytes};
  const int result = git_diff_print(raw, format == DiffFormat::raw ? GIT_DIFF_FORMAT_RAW : GIT_DIFF_FORMAT_PATCH, DiffPrinter::print, &printer);
  if (printer.cut) return printer.text + "\n[the difference is longer than " + std::to_string(limit_bytes) + " bytes and is cut here]\n";
  require(result, "print a difference");
  return std::move(printer.text);
}

}  // namespace lyceum::git
