// materialise.h: a commit of a repository as a folder that an engine can open: data/engines/<repository id>-<commit>/. Small files are
// written out from git, large ones are symbolic links to their blobs. Derived data: may be deleted at any time no engine starts.
#pragma once

#include <filesystem>
#include <string>

#include "hub/hub.h"

namespace lyceum::api {

// Only files an engine reads: JSON, chat templates, vocabularies, safetensors, GGUF. Any thread; the folder appears whole.
std::filesystem::path materialise(hub::Hub& hub, const hub::Repo& repo, const std::string& commit);

// What an engine could make of a commit.
struct ModelFiles {
  bool transformer = false;              // config.json and *.safetensors
  bool adapter = false;                  // adapter_config.json
  std::vector<std::string> gguf;         // *.gguf in the root, sorted
  bool runnable() const { return transformer || !gguf.empty(); }
};
ModelFiles inspect_files(hub::Hub& hub, const hub::Repo& repo, const std::string& commit);

// The file or folder to open. variant ("Q4_K_M") chooses among GGUF files; without one, Q4_K_M, then Q8_0, then the first are taken.
// Error(not_found) if no file carries the variant.
std::filesystem::path model_path(const std::filesystem::path& folder, const ModelFiles& files, const std::string& variant);

}  // namespace lyceum::api
