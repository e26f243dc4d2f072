// git_files.h: what git knows of a work tree, asked of the `git` program with hooks and monitors switched off.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lyceum::tuning {

// Tracked paths in byte order; nullopt if root is not a git work tree (or git is not installed).
std::optional<std::vector<std::string>> find_tracked_files(const std::filesystem::path& root);
// Path -> time of the last commit that touched it (seconds since 1970). Empty without history.
std::map<std::string, int64_t> last_commit_times(const std::filesystem::path& root);

struct GitHead {
  std::string commit, time;   // time: of the commit, ISO 8601
  bool changed = false;       // tracked files differ from it
};
std::optional<GitHead> find_head(const std::filesystem::path& root);

}  // namespace lyceum::tuning
