#include "tuning/data/git_files.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "base/files.h"

extern char** environ;

namespace lyceum::tuning {

namespace {

std::string read_to_end(int fd) {
  std::string out;
  std::array<char, 65536> buffer;
  for (ssize_t got; (got = read(fd, buffer.data(), buffer.size())) > 0;) out.append(buffer.data(), static_cast<size_t>(got));
  return out;
}

// Standard output of `git -C root <args>`; nullopt when git fails or is absent.
std::optional<std::string> run_git(const std::filesystem::path& root, const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {"git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "safe.directory=*", "-C", root.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw_errno("cannot make a pipe for git in", root);
  UniqueFd reading(ends[0]), writing(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, writing.get(), STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = -1;
  const int failed = posix_spawnp(&child, "git", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return std::nullopt;
  writing.reset();
  std::string out = read_to_end(reading.get());
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return std::nullopt;
  return out;
}

}  // namespace

std::optional<std::vector<std::string>> find_tracked_files(const std::filesystem::path& root) {
  if (!std::filesystem::exists(root / ".git")) return std::nullopt;
  const auto listing = run_git(root, {"ls-files", "-z"});
  if (!listing) return std::nullopt;
  std::vector<std::string> paths;
  for (size_t at = 0; at < listing->size();) {
    const size_t end = std::min(listing->find('\0', at), listing->size());
    paths.push_back(listing->substr(at, end - at));
    at = end + 1;
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::map<std::string, int64_t> last_commit_times(const std::filesystem::path& root) {
  std::map<std::string, int64_t> times;
  if (!std::filesystem::exists(root / ".git")) return times;
  // Newest commit first: "\x01<time>" starts a commit, every other item is a path it touched.
  const auto log = run_git(root, {"log", "-z", "--format=%x01%ct", "--name-only", "--no-renames"});
  if (!log) return times;
  int64_t time = 0;
  for (size_t at = 0; at < log->size();) {
    const size_t end = std::min(log->find_first_of(std::string_view("\0\n", 2), at), log->size());
    const std::string_view item = std::string_view(*log).substr(at, end - at);
    if (!item.empty() && item[0] == '\x01') {
      std::from_chars(item.data() + 1, item.data() + item.size(), time);
    } else if (!item.empty()) {
      times.emplace(item, time);
    }
    at = end + 1;
  }
  return times;
}

std::optional<GitHead> find_head(const std::filesystem::path& root) {
  if (!std::filesystem::exists(root / ".git")) return std::nullopt;
  const auto log = run_git(root, {"log", "-1", "--format=%H %cI"});
  if (!log || log->size() < 42) return std::nullopt;
  const size_t space = log->find(' ');
  const auto changes = run_git(root, {"status", "--porcelain", "--untracked-files=no"});
  return GitHead{log->substr(0, space), log->substr(space + 1, log->find('\n') - space - 1), changes && !changes->empty()};
}

}  // namespace lyceum::tuning
