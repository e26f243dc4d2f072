#include <algorithm>
#include <iostream>

#include "base/progress.h"
#include "cli/hub_client.h"

namespace lyceum::cli {
namespace {

struct Args {
  std::string folder, repo, message = "Upload with lyceum push", sdk;
  bool is_private = false;
};

std::vector<UploadFile> list_files(const fs::path& folder) {
  std::vector<UploadFile> files;
  for (auto it = fs::recursive_directory_iterator(folder); it != fs::recursive_directory_iterator(); ++it) {
    if (it->is_directory() && it->path().filename() == ".git") {
      it.disable_recursion_pending();
    } else if (it->is_regular_file()) {
      files.push_back({fs::relative(it->path(), folder).generic_string(), it->path(), ""});
    }
  }
  std::sort(files.begin(), files.end(), [](const UploadFile& a, const UploadFile& b) { return a.path < b.path; });
  return files;
}

int push(const Args& args, const Globals& globals) {
  if (!fs::is_directory(args.folder)) throw Error(Code::not_found, args.folder + " is not a folder");
  const std::vector<UploadFile> files = list_files(args.folder);
  if (files.empty()) throw Error(Code::invalid_argument, args.folder + " has no files to push");
  HubClient hub(globals);
  const RepoName repo = parse_repo_name(args.repo);
  hub.create_repo(repo, args.is_private, args.sdk);
  uint64_t total = 0;
  for (const UploadFile& file : files) total += fs::file_size(file.local);
  CommitResult result;
  {
    Progress progress("Pushing " + repo.id, total, Progress::Unit::bytes, globals.json || globals.quiet);
    uint64_t done = 0;
    result = hub.commit(repo, files, args.message, [&](uint64_t bytes) { progress.set(done += bytes); });
    progress.set(total);
  }
  if (globals.json) {
    print_json(json::object{{"repo", repo.id}, {"commit", result.commit}, {"url", result.url}, {"files", files.size()}});
  } else {
    std::cout << result.url << "\n";
  }
  return 0;
}

}  // namespace

void configure_push(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("folder", args->folder, "what to upload; .git is left out").required();
  options.add_option("repo", args->repo, "owner/name, datasets/owner/name or spaces/owner/name; made if it is not there").required();
  options.add_option("-m,--message", args->message, "commit message");
  options.add_option("--sdk", args->sdk, "for a new Space: hub, static, gradio, …");
  options.add_flag("--private", args->is_private, "make a new repository private");
  options.callback([args, &globals, &run] { run = [args, &globals] { return push(*args, globals); }; });
}

}  // namespace lyceum::cli
