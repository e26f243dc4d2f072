// history.h: what lies between two revisions, and the two operations that rewrite the past: squashing a branch to one commit, and taking
// large files out of every commit. Old commits stay readable by id until the garbage collection of their repository. Any thread.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "git/oid.h"
#include "hub/hub.h"

namespace lyceum::git {
class Repository;
}

namespace lyceum::hub {

class HubImpl;

struct StoredLargeFile {
  std::string sha256, path, ref;    // one of the paths and refs that name it; empty if no commit does (yet, or any more)
  uint64_t size = 0;
  int64_t linked_ms = 0;            // when the repository received it
};

class History {
 public:
  explicit History(HubImpl& hub) : hub_(hub) {}

  // `git diff a..b` (raw: `git diff --raw`), cut at 16 MiB. RevisionNotFound.
  std::string diff(const Repo& repo, const std::string& a, const std::string& b, bool raw);

  // The branch becomes one commit with the same files. Error(invalid_argument) for a tag or a pull request.
  CommitInfo super_squash(const Caller& caller, const RepoId& id, const std::string& branch, const std::string& message);

  // Large files that the repository holds, newest first. Walks as much history as it takes to name them.
  std::vector<StoredLargeFile> large_files(const Repo& repo);
  // The repository gives the files up. rewrite: every commit of every ref that names one is made anew without it; else the pointers stay
  // in the history as plain text. The bytes go when nothing else holds them (gc).
  void remove_large_files(const Caller& caller, const RepoId& id, const std::set<std::string>& sha256s, bool rewrite);

 private:
  HubImpl& hub_;
};

}  // namespace lyceum::hub
