// object.h: git's tree and commit formats as plain values. Parsers take bytes from outside (a push) and check everything;
// malformed bytes are Error(unprocessable).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "git/oid.h"

namespace lyceum::git {

enum class Kind { commit = 1, tree = 2, blob = 3, tag = 4 };  // the numbers of the pack format
std::string_view name(Kind kind) noexcept;

enum class Mode : uint32_t { folder = 0040000, file = 0100644, executable = 0100755, link = 0120000, submodule = 0160000 };

struct TreeEntry {
  std::string name;
  Mode mode = Mode::file;
  Oid oid;
  bool is_folder() const noexcept { return mode == Mode::folder; }
  bool is_blob() const noexcept { return mode != Mode::folder && mode != Mode::submodule; }
};

struct Signature {
  std::string name, email;
  int64_t when_s = 0;
  int offset_minutes = 0;
};

struct Commit {
  Oid tree;
  std::vector<Oid> parents;
  Signature author, committer;
  std::string message;
};

struct Tag {  // an annotated tag of a commit
  Oid target;
  std::string name;
  Signature tagger;
  std::string message;
};

std::vector<TreeEntry> parse_tree(std::string_view bytes);
// One entry by name, without building the others.
std::optional<TreeEntry> find_in_tree(std::string_view bytes, std::string_view name);
// Entries in any order; written in git's order (a folder sorts as if its name ended in '/').
std::string format_tree(std::vector<TreeEntry> entries);

Commit parse_commit(std::string_view bytes);
std::string format_commit(const Commit& commit);
std::string format_tag(const Tag& tag);

Oid object_id(Kind kind, std::string_view content);

}  // namespace lyceum::git
