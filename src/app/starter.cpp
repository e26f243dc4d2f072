#include "app/starter.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/files.h"
#include "base/log.h"

namespace lyceum::app {
namespace {

hub::CommitAction import_file(hub::Hub& hub, const hub::Repo& repo, const fs::path& local, const std::string& path) {
  const uint64_t size = fs::file_size(local);
  std::string sample(512, '\0');
  {
    const UniqueFd fd = open_file(local, O_RDONLY);
    const ssize_t got = ::read(fd.get(), sample.data(), sample.size());
    sample.resize(got > 0 ? static_cast<size_t>(got) : 0);
  }
  if (!hub.wants_large(repo, "main", path, size, as_bytes(sample))) return hub::AddFile{path, read_file(local)};
  const MappedFile map(local);
  const auto writer = hub.write_blob();
  writer->write(map.bytes());
  const std::string sha256 = writer->finish(std::nullopt);
  hub.link_blob(repo, sha256);
  return hub::AddLargeFile{path, sha256, size};
}

void import_row(hub::Hub& hub, const hub::Caller& caller, const fs::path& folder, const json::object& row) {
  const std::string full_name = get_string(row, "repo");
  const size_t slash = full_name.find('/');
  const auto type = hub::find_repo_type(get_string(row, "type"));
  if (slash == std::string::npos || !type) throw Error(Code::invalid_argument, "starter.json: bad row for '" + full_name + "'");
  const hub::RepoId id{*type, full_name.substr(0, slash), full_name.substr(slash + 1)};
  const fs::path source = folder / get_string(row, "folder");
  if (!hub.is_organisation(id.owner) && !hub.find_user(id.owner)) hub.create_organisation(caller, id.owner, id.owner);
  hub::Repo repo;
  try {
    repo = hub.create_repo(caller, id, false, find_string(row, "sdk").value_or(""));
  } catch (const Error& error) {
    if (error.code() == Code::conflict) return;
    throw;
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(source)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  hub::CommitRequest request;
  request.summary = "Starter content";
  for (const fs::path& file : files) {
    request.actions.push_back(import_file(hub, repo, file, fs::relative(file, source).generic_string()));
  }
  hub.commit(caller, id, request);
  log::info("starter content: {} {}", hub::plural(id.type), id.full_name());
}

}  // namespace

void import_starter(hub::Hub& hub, const hub::User& administrator, const std::filesystem::path& folder) {
  const json::value rows = parse_json(read_file(folder / "starter.json", 1u << 20), "starter.json");
  if (!rows.is_array()) throw Error(Code::invalid_argument, "starter.json must be a list");
  hub::Caller caller;
  caller.user = administrator;
  for (const json::value& row : rows.get_array()) {
    const json::object& object = get_object(row, "starter.json row");
    if (!fs::is_directory(folder / get_string(object, "folder"))) {
      throw Error(Code::not_found, "starter content: folder " + (folder / get_string(object, "folder")).string() + " is missing");
    }
    import_row(hub, caller, folder, object);
  }
}

}  // namespace lyceum::app
