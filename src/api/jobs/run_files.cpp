#include "api/jobs/run_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/files.h"
#include "tuning/job.h"

namespace lyceum::api {
namespace {

// A tree that was pushed may name what a work tree must not hold.
bool is_git_path(const std::string& path) {
  std::string lower = path;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ("/" + lower + "/").find("/.git/") != std::string::npos;
}

void link_blob_file(const fs::path& blob, const fs::path& target) {
  std::error_code error;
  fs::create_hard_link(fs::canonical(blob), target, error);   // keeps the bytes, whatever becomes of the repository
  if (error) fs::create_symlink(fs::absolute(blob), target);  // another file system
}

// The commit's files as a folder; appears whole.
void write_tree(hub::Hub& hub, const hub::Caller& caller, const hub::JobInput& input, const fs::path& folder) {
  const hub::Repo repo = hub.get_repo(caller, input.id);
  if (repo.id != input.repo_row || repo.disabled) throw Error(Code::not_found, input.id.full_name() + " is not the repository any more that it was when the job was asked for", "RepoNotFound");
  hub.require_content(caller, repo);
  if (fs::exists(folder)) return;
  const fs::path building = folder.string() + ".building";
  fs::remove_all(building);
  fs::create_directories(building);
  for (const hub::FileEntry& entry : hub.tree(repo, input.commit, "", true, false)) {
    if (entry.is_folder || is_git_path(entry.path)) continue;
    const fs::path target = building / entry.path;
    fs::create_directories(target.parent_path());
    if (entry.sha256.empty()) {
      const UniqueFd fd = open_file(target, O_WRONLY | O_CREAT | O_EXCL);
      write_all(fd.get(), as_bytes(hub.read_small(repo, entry)), target);
    } else {
      link_blob_file(hub.blob_path(entry.sha256), target);
    }
  }
  fs::rename(building, folder);
}

// As on the command line: where there is one JSON Lines file in the root, it is the data, and the rest is about it.
fs::path data_path(const fs::path& folder) {
  std::vector<fs::path> lines;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".jsonl") lines.push_back(entry.path());
  }
  return lines.size() == 1 ? lines.front() : folder;
}

std::string web_name(const hub::RepoId& id) { return id.type == hub::RepoType::model ? id.full_name() : std::string(hub::plural(id.type)) + "/" + id.full_name(); }

tuning::JobSpec spec_of(const hub::Job& job, const fs::path& folder, const std::string& version) {
  tuning::JobSpec spec;
  spec.recipe = tuning::recipe_from_json(job.order.recipe);
  spec.recipe.base_model = job.order.base.id.full_name();
  spec.recipe.dataset = web_name(job.order.data.id);
  spec.base_folder = folder / "base";
  spec.base_repo = job.order.base.id.full_name();
  spec.base_commit = job.order.base.commit;
  spec.data_path = data_path(folder / "data");
  spec.data_repo = job.order.data.id.full_name();
  spec.data_commit = job.order.data.commit;
  spec.data_label = std::string(hub::plural(job.order.data.id.type)).substr(0, hub::plural(job.order.data.id.type).size() - 1) + " " + spec.data_repo;
  spec.program_version = version;
  return spec;
}

hub::CommitAction as_action(hub::Hub& hub, const hub::Repo& repo, const fs::path& local, const std::string& path) {
  const MappedFile map(local);
  const Bytes sample = map.bytes().first(std::min<size_t>(512, map.bytes().size()));
  if (!hub.wants_large(repo, "main", path, map.bytes().size(), sample)) return hub::AddFile{path, read_file(local)};
  const auto writer = hub.write_blob();
  writer->write(map.bytes());
  const std::string sha256 = writer->finish(std::nullopt);
  hub.link_blob(repo, sha256);
  return hub::AddLargeFile{path, sha256, map.bytes().size()};
}

hub::Repo get_or_make_target(hub::Hub& hub, const hub::Caller& caller, const hub::Job& job) {
  const size_t slash = job.order.target.find('/');
  const hub::RepoId id{hub::RepoType::model, job.order.target.substr(0, slash), job.order.target.substr(slash + 1)};
  try {
    return hub.create_repo(caller, id, job.order.private_result, "");
  } catch (const Error& error) {
    if (error.code() != Code::conflict) throw;
  }
  const hub::Repo repo = hub.get_repo(caller, id);
  if (job.order.private_result && !repo.is_private) throw Error(Code::forbidden, job.order.target + " has become public since, and the result must be private; make it private and resume the job");
  return repo;
}

}  // namespace

fs::path job_folder(hub::Hub& hub, const std::string& id) { return fs::absolute(hub.shared_folder()) / "jobs" / id; }

void prepare_run(hub::Hub& hub, const hub::Caller& caller, const hub::Job& job, const std::string& version) {
  const fs::path folder = job_folder(hub, job.id);
  fs::create_directories(folder);
  write_tree(hub, caller, job.order.base, folder / "base");
  write_tree(hub, caller, job.order.data, folder / "data");
  tuning::save_spec(folder, spec_of(job, folder, version));
}

bool has_output(const fs::path& folder) { return fs::exists(folder / "output" / "lineage.json"); }

Published publish_run(hub::Hub& hub, const hub::Caller& caller, const hub::Job& job) {
  const fs::path output = job_folder(hub, job.id) / "output";
  const hub::Repo repo = get_or_make_target(hub, caller, job);
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(output)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  hub::CommitRequest request;
  request.summary = "Tune " + job.order.base.id.full_name() + " on " + job.order.data.id.full_name();
  request.description = "Made by job " + job.owner + "/" + job.id + " of this hub.";
  for (const fs::path& file : files) request.actions.push_back(as_action(hub, repo, file, fs::relative(file, output).generic_string()));
  return {repo.repo_id.full_name(), hub.commit(caller, repo.repo_id, request).id};
}

void sweep_run(const fs::path& folder) {
  std::error_code ignored;
  std::vector<fs::path> gone = {folder / "base", folder / "data", folder / "output"};
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().filename().string().starts_with("checkpoint-")) gone.push_back(entry.path());
  }
  for (const fs::path& path : gone) fs::remove_all(path, ignored);
}

}  // namespace lyceum::api
