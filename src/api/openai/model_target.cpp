#include "api/openai/model_target.h"

#include "api/openai/deployments.h"
#include "api/services.h"
#include "base/json.h"
#include "base/log.h"

namespace lyceum::api {
namespace {

[[noreturn]] void throw_no_model(const std::string& name) {
  throw Error(Code::not_found, "The model `" + name + "` does not exist, or you may not use it", "model_not_found");
}

std::string last_part(const std::string& name) { return name.substr(name.rfind('/') + 1); }

// The full name of the one deployed model or adapter whose last part is `name`, or of which the caller sees exactly one.
std::string expand_short_name(const std::vector<Deployment>& deployments, const std::string& name) {
  std::vector<std::string> found;
  for (const Deployment& one : deployments) {
    if (last_part(one.model) == name) found.push_back(one.model);
    for (const std::string& adapter : one.adapters) {
      if (last_part(adapter) == name) found.push_back(adapter);
    }
  }
  if (found.size() > 1) throw Error(Code::invalid_argument, "Several deployed models are named `" + name + "`: use " + found[0] + " or " + found[1], "model_ambiguous");
  if (found.empty()) throw_no_model(name);
  return found[0];
}

PinnedRepo open_repo(Context& context, const ModelName& name, const std::string& shown) {
  hub::Hub& hub = context.services.hub;
  PinnedRepo out;
  try {
    out.repo = hub.get_repo(context.caller, name.id);
    out.commit = hub.resolve_revision(out.repo, name.revision);
  } catch (const Error& error) {
    if (error.code() != Code::not_found && error.code() != Code::unauthorized) throw;
    throw_no_model(shown);
  }
  if (out.repo.disabled) throw Error(Code::forbidden, "Access to " + shown + " is disabled");
  hub.require_content(context.caller, out.repo);
  out.files = inspect_files(hub, out.repo, out.commit);
  return out;
}

// Where the adapter runs: the deployment that lists it, else the base that its configuration names, at the revision it names.
ModelName base_of(Context& context, const PinnedRepo& adapter, const std::vector<Deployment>& deployments, bool& deployed) {
  const std::string full = adapter.repo.repo_id.full_name();
  for (const Deployment& one : deployments) {
    for (const std::string& listed : one.adapters) {
      const auto name = find_model_name(listed);
      if (!name || name->id.full_name() != full) continue;
      deployed = true;
      return *find_model_name(one.model);
    }
  }
  const auto entry = context.services.hub.find_entry(adapter.repo, adapter.commit, "adapter_config.json");
  const json::value text = parse_json(context.services.hub.read_small(adapter.repo, *entry), full + "/adapter_config.json");
  const json::object& config = get_object(text, "adapter_config.json");
  const std::string base = find_string(config, "base_model_name_or_path").value_or("");
  auto name = find_model_name(base);
  if (!name) throw Error(Code::unprocessable, "The adapter " + full + " names the base model \"" + base + "\", which is not a repository here; deploy it with its base", "base_model_not_found");
  if (const auto revision = find_string(config, "revision"); revision && !revision->empty()) name->revision = *revision;
  return *name;
}

const Deployment* find_deployment(const std::vector<Deployment>& deployments, const hub::RepoId& id) {
  for (const Deployment& one : deployments) {
    const auto name = find_model_name(one.model);
    if (name && name->id == id) return &one;
  }
  return nullptr;
}

// An administrator chose it for everybody who uses the model: that a caller may not read it does not matter. One that has gone is done without.
std::optional<DraftModel> open_deployed_draft(Context& context, const std::string& name) {
  hub::Hub& hub = context.services.hub;
  const auto parsed = find_model_name(name);
  if (!parsed) return std::nullopt;
  hub::Caller itself;
  itself.user.emplace().administrator = true;
  try {
    DraftModel out{{hub.get_repo(itself, parsed->id), "", {}}, parsed->variant};
    out.repo.commit = hub.resolve_revision(out.repo.repo, parsed->revision);
    out.repo.files = inspect_files(hub, out.repo.repo, out.repo.commit);
    if (out.repo.files.runnable() && !out.repo.repo.disabled) return out;
  } catch (const Error& error) {
    log::warn("draft model {}: {}; its model runs without it", name, error.what());
  }
  return std::nullopt;
}

}  // namespace

std::optional<ModelName> find_model_name(const std::string& text) {
  ModelName out;
  std::string rest = text;
  if (const size_t colon = rest.find(':'); colon != std::string::npos) {
    out.variant = rest.substr(colon + 1);
    rest.resize(colon);
  }
  if (const size_t at = rest.find('@'); at != std::string::npos) {
    out.revision = rest.substr(at + 1);
    rest.resize(at);
  }
  const size_t slash = rest.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == rest.size() || rest.find('/', slash + 1) != std::string::npos || out.revision.empty()) return std::nullopt;
  out.id = {hub::RepoType::model, rest.substr(0, slash), rest.substr(slash + 1)};
  return out;
}

ModelTarget find_target(Context& context, const std::string& name) {
  if (!context.caller.user && !context.services.anonymous_inference) throw Error(Code::unauthorized, "Sign in first: this hub runs models only for callers with an access token", "invalid_api_key");
  if (!context.caller.has_scope("inference-api")) throw Error(Code::forbidden, "The person did not let this application run models here: ask for the scope inference-api");
  const auto deployments = load_deployments(context.services.hub);
  const std::string full = name.find('/') == std::string::npos ? expand_short_name(deployments, name) : name;
  const auto parsed = find_model_name(full);
  if (!parsed) throw_no_model(name);
  ModelTarget target;
  target.variant = parsed->variant;
  PinnedRepo repo = open_repo(context, *parsed, name);
  if (repo.files.adapter && !repo.files.runnable()) {
    const ModelName base = base_of(context, repo, deployments, target.deployed);
    target.variant = base.variant;
    target.base = open_repo(context, base, base.id.full_name() + " (base of " + name + ")");
    target.adapter = std::move(repo);
  } else {
    target.base = std::move(repo);
  }
  if (const Deployment* deployment = find_deployment(deployments, target.base.repo.repo_id)) {
    target.deployed = true;
    if (!deployment->draft.empty()) target.draft = open_deployed_draft(context, deployment->draft);
  }
  if (!target.base.files.runnable()) {
    throw Error(Code::unprocessable, target.base.repo.repo_id.full_name() + " has no weights that can run here: neither config.json with *.safetensors, nor a *.gguf file", "model_not_runnable");
  }
  return target;
}

std::string engine_key(const ModelTarget& target) {
  const auto key = [](const PinnedRepo& repo, const std::string& variant) { return repo.repo.public_id + "-" + repo.commit + (variant.empty() ? "" : ":" + variant); };
  return key(target.base, target.variant) + (target.draft ? "+" + key(target.draft->repo, target.draft->variant) : "");
}

RunningModel start_model(Context& context, const ModelTarget& target) {
  hub::Hub& hub = context.services.hub;
  EngineManager& engines = context.services.engines;
  EngineRequest request;
  request.key = engine_key(target);
  request.model = model_path(materialise(hub, target.base.repo, target.base.commit), target.base.files, target.variant);
  request.label = target.base.repo.repo_id.full_name() + "@" + target.base.commit.substr(0, 8);
  request.pinned = target.deployed;
  if (target.draft) {
    const PinnedRepo& draft = target.draft->repo;
    request.draft = model_path(materialise(hub, draft.repo, draft.commit), draft.files, target.draft->variant);
  }
  RunningModel running{engines.ensure(request), {}};
  if (target.adapter) running.adapter = load_adapter(context, running.lease, *target.adapter);
  return running;
}

DraftModel find_draft(Context& context, const std::string& name) {
  const auto parsed = find_model_name(name);
  if (!parsed) throw_no_model(name);
  DraftModel draft{open_repo(context, *parsed, name), parsed->variant};
  if (!draft.repo.files.runnable()) throw Error(Code::unprocessable, name + " has no weights that can run here, so it cannot guess for another model", "model_not_runnable");
  return draft;
}

PinnedRepo find_adapter(Context& context, const std::string& name) {
  const auto parsed = find_model_name(name);
  if (!parsed) throw_no_model(name);
  PinnedRepo adapter = open_repo(context, *parsed, name);
  if (!adapter.files.adapter) throw Error(Code::unprocessable, name + " is not an adapter: it has no adapter_config.json");
  return adapter;
}

LoadedAdapter load_adapter(Context& context, const EngineManager::Lease& lease, const PinnedRepo& adapter) {
  const std::string name = adapter.repo.repo_id.full_name() + "@" + adapter.commit;
  return {name, context.services.engines.load_adapter(lease, name, materialise(context.services.hub, adapter.repo, adapter.commit))};
}

}  // namespace lyceum::api
