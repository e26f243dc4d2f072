#include "api/openai/model_list.h"

#include <algorithm>

#include "api/openai/deployments.h"
#include "api/openai/model_target.h"
#include "api/services.h"
#include "hub/catalogue.h"

namespace lyceum::api {
namespace {

constexpr size_t kListed = 1000;

bool is_adapter(const hub::Repo& repo) {
  return std::any_of(repo.tags.begin(), repo.tags.end(), [](const std::string& tag) { return tag.starts_with("base_model:adapter:"); });
}

// What the catalogue knows to be runnable. No file is looked at, but for an adapter, whose base must be here, and gated content.
void add_runnable(Context& context, const std::vector<std::string>& listed, std::vector<ListedModel>& models) {
  if (!context.caller.user && !context.services.anonymous_inference) return;
  hub::search::Query query;
  query.runnable = true;
  query.sort = hub::search::Sort::modified;
  query.limit = kListed;
  for (const hub::Repo& repo : context.services.hub.catalogue().list(context.caller, query).repos) {
    const std::string name = repo.repo_id.full_name();
    if (std::find(listed.begin(), listed.end(), name) != listed.end()) continue;
    if (is_adapter(repo) || repo.library_name == "peft" || !repo.gated.empty()) {
      if (auto model = find_usable_model(context, name)) models.push_back(std::move(*model));
    } else {
      models.push_back({name, repo, "", false});
    }
  }
}

}  // namespace

std::optional<ListedModel> find_usable_model(Context& context, const std::string& name) {
  try {
    ModelTarget target = find_target(context, name);
    if (!target.adapter) return ListedModel{name, std::move(target.base.repo), "", target.deployed};
    return ListedModel{name, std::move(target.adapter->repo), target.base.repo.repo_id.full_name(), target.deployed};
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::vector<ListedModel> list_usable_models(Context& context) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const Deployment& one : load_deployments(context.services.hub)) {
    add(one.model);
    for (const std::string& adapter : one.adapters) add(adapter);
  }
  std::vector<ListedModel> models;
  for (const std::string& name : names) {
    if (auto model = find_usable_model(context, name)) models.push_back(std::move(*model));
  }
  add_runnable(context, names, models);
  return models;
}

}  // namespace lyceum::api
