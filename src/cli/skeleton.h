// skeleton.h: a repository's models without their weights: files of the right size of which only what comes before the weights was fetched, the
// rest being holes. A loader that maps its files accepts or refuses them as it would the real ones, for a few kilobytes of traffic.
#pragma once

#include <vector>

#include "cli/hub_client.h"

namespace lyceum::cli {

struct Skeleton {
  std::string commit;
  std::vector<RemoteFile> files;     // of the whole repository
  std::vector<fs::path> models;      // the folder itself for safetensors, and every GGUF file
};

// Writes into `folder`, which must be empty. Files with a wrong header are there, too: their loader refuses them. Error(not_found) if nothing there is a
// model.
Skeleton pull_skeleton(HubClient& hub, const RepoName& repo, const fs::path& folder);

}  // namespace lyceum::cli
