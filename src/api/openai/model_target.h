// model_target.h: from the `model` of a request to repositories at fixed commits, with the caller's right to read them checked.
#pragma once

#include <optional>
#include <string>

#include "api/openai/engine_manager.h"
#include "api/openai/materialise.h"
#include "api/route.h"

namespace lyceum::api {

struct ModelName {
  hub::RepoId id;
  std::string revision = "main";
  std::string variant;                // of several GGUF files: "owner/name:Q4_K_M"
};
std::optional<ModelName> find_model_name(const std::string& text);  // "owner/name[@revision][:variant]"

struct PinnedRepo {
  hub::Repo repo;
  std::string commit;
  ModelFiles files;
};
struct DraftModel {
  PinnedRepo repo;
  std::string variant;
};
struct ModelTarget {
  PinnedRepo base;
  std::string variant;
  std::optional<PinnedRepo> adapter;
  std::optional<DraftModel> draft;    // of the deployment
  bool deployed = false;
};

// name: "owner/name[@revision][:variant]" of a model or of an adapter (whose adapter_config.json names the base), or the last part of a
// deployed name. Error(not_found, "model_not_found") if there is no such model for this caller, Error(unprocessable) if it cannot be run,
// Error(unauthorized) if callers must sign in.
ModelTarget find_target(Context& context, const std::string& name);
// The adapter alone, whatever base it names. Error(unprocessable) if it is none.
PinnedRepo find_adapter(Context& context, const std::string& name);

// A model to guess tokens with, if the caller may read it. Error(unprocessable) if it cannot run.
DraftModel find_draft(Context& context, const std::string& name);

// An engine in memory and its adapter there, both held.
struct LoadedAdapter {
  std::string name;                 // in the engine; empty: the base
  std::shared_ptr<void> lease;
};
struct RunningModel {
  EngineManager::Lease lease;
  LoadedAdapter adapter;
};
RunningModel start_model(Context& context, const ModelTarget& target);
std::string engine_key(const ModelTarget& target);
// Into a running engine.
LoadedAdapter load_adapter(Context& context, const EngineManager::Lease& lease, const PinnedRepo& adapter);

}  // namespace lyceum::api
