#include "git/libgit2.h"

#include <cerrno>
#include <mutex>

#include "base/error.h"

namespace lyceum::git {

void start_libgit2() {
  static std::once_flag once;
  std::call_once(once, [] {
    require(git_libgit2_init(), "start libgit2");
    require(git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1), "enable fsync");
    // Only our own folders are opened; the owner check is for working copies found by walking up.
    require(git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0), "set owner validation");
    for (const int level : {GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_GLOBAL, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_PROGRAMDATA}) {
      require(git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, ""), "clear the configuration search path");
    }
    // Folders of a thousand files are common here; libgit2 would not keep a tree over 4 KiB.
    require(git_libgit2_opts(GIT_OPT_SET_CACHE_OBJECT_LIMIT, GIT_OBJECT_TREE, static_cast<size_t>(1) << 20), "set the cache limit");
    require(git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, static_cast<ssize_t>(64) << 20), "set the cache size");
  });
}

void require(int result, const std::string& what) {
  if (result >= 0) return;
  const int error_number = errno;
  const git_error* error = git_error_last();
  const std::string reason = error != nullptr && error->message != nullptr ? error->message : "unknown error";
  const bool full = error_number == ENOSPC || error_number == EDQUOT || reason.find("No space left") != std::string::npos ||
                    reason.find("quota exceeded") != std::string::npos;
  if (full) throw Error(Code::storage_full, "cannot " + what + ": the disk is full; free some space and try again");
  throw Error(Code::internal, "cannot " + what + ": " + reason);
}

}  // namespace lyceum::git
