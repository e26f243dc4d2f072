// snapshot.h: a repository at one commit as a folder on this machine.
#pragma once

#include "cli/hub_client.h"

namespace lyceum::cli {

struct Snapshot {
  fs::path folder;
  std::string commit;                 // empty for a plain local folder
  std::string repo;                   // "owner/name", empty for a plain local folder
};

// Where pulled repositories are kept: $LYCEUM_HOME/hub or ~/.cache/lyceum/hub.
fs::path cache_folder();

// Downloads what is not there yet. When the hub's data folder is on this machine and on the same file system, large files
// become hard links to its blobs instead of copies.
Snapshot pull_snapshot(HubClient& hub, const RepoName& repo, const Globals& globals, const fs::path& into = {});

// A path that exists is taken as it is; anything else is a repository name.
Snapshot open_model(const std::string& model, const Globals& globals);

}  // namespace lyceum::cli
