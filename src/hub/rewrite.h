// rewrite.h: makes commits anew without some large files. Author, dates and messages stay; signatures go, as they would not match.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "git/repository.h"

namespace lyceum::hub {

class Rewriter {
 public:
  // sha256s: digests of large files whose pointers are dropped from every tree.
  Rewriter(git::Repository& git, const std::set<std::string>& sha256s) : git_(git), sha256s_(sha256s) {}

  // The new id of a commit and, in passing, of its whole past (the same id where nothing changes). The objects are durable after flush().
  git::Oid rewrite(const git::Oid& tip);
  void flush();

 private:
  git::Oid rewrite_commit(const git::Oid& oid);
  std::optional<git::Oid> rewrite_tree(const git::Oid& oid);   // nullopt: nothing is left in it
  bool is_dropped(const git::TreeEntry& entry);
  git::Oid add(git::Kind kind, std::string content);

  git::Repository& git_;
  const std::set<std::string>& sha256s_;
  std::map<git::Oid, git::Oid> commits_;
  std::map<git::Oid, std::optional<git::Oid>> trees_;
  std::map<git::Oid, bool> blobs_;
  std::map<git::Oid, git::Repository::NewObject> fresh_;
  size_t fresh_bytes_ = 0;
};

}  // namespace lyceum::hub
