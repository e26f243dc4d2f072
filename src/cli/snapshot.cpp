#include "cli/snapshot.h"

#include <unistd.h>

#include <cstdlib>

#include "base/progress.h"

namespace lyceum::cli {
namespace {

bool try_link(const Globals& globals, const RemoteFile& file, const fs::path& target) {
  if (globals.data.empty() || file.sha256.empty()) return false;
  const fs::path blob = fs::path(globals.data) / "blobs" / file.sha256.substr(0, 2) / file.sha256.substr(2, 2) / file.sha256;
  std::error_code error;
  if (!fs::is_regular_file(blob, error) || fs::file_size(blob, error) != file.size) return false;
  fs::create_directories(target.parent_path());
  return ::link(blob.c_str(), target.c_str()) == 0;
}

bool is_safe_path(const std::string& path) {
  for (const auto& part : fs::path(path)) {
    if (part == ".." || part == ".git" || part == "/") return false;
  }
  return !path.empty();
}

}  // namespace

fs::path cache_folder() {
  if (const char* home = std::getenv("LYCEUM_HOME")) return fs::path(home) / "hub";
  const char* home = std::getenv("HOME");
  return fs::path(home == nullptr ? "." : home) / ".cache/lyceum/hub";
}

Snapshot pull_snapshot(HubClient& hub, const RepoName& repo, const Globals& globals, const fs::path& into) {
  const RemoteTree tree = hub.tree(repo);
  const fs::path folder = into.empty() ? cache_folder() / (repo.type + "s") / repo.id / tree.commit : into;
  RepoName pinned = repo;
  pinned.revision = tree.commit;
  uint64_t total = 0;
  for (const RemoteFile& file : tree.files) total += file.size;
  Progress progress("Pulling " + repo.id, total, Progress::Unit::bytes, globals.json || globals.quiet);
  uint64_t done = 0;
  for (const RemoteFile& file : tree.files) {
    if (!is_safe_path(file.path)) throw Error(Code::unprocessable, repo.id + " has a file with an unsafe path: " + file.path);
    const fs::path target = folder / file.path;
    const bool present = fs::is_regular_file(target) && fs::file_size(target) == file.size;
    if (present || try_link(globals, file, target)) {
      done += file.size;
      progress.set(done);
      continue;
    }
    hub.download(pinned, file, target, [&](uint64_t bytes) { progress.set(done += bytes); });
  }
  progress.set(done);
  return {folder, tree.commit, repo.id};
}

Snapshot open_model(const std::string& model, const Globals& globals) {
  if (fs::exists(model)) return {fs::absolute(model), "", ""};
  HubClient hub(globals);
  return pull_snapshot(hub, parse_repo_name(model), globals);
}

}  // namespace lyceum::cli
