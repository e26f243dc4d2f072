// model_list.h: which models a caller can use, for the lists of every API.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/route.h"

namespace lyceum::api {

struct ListedModel {
  std::string name;      // as requests name it
  hub::Repo repo;
  std::string parent;    // of an adapter: the base model
  bool deployed = false;
};

// nullopt: not visible to this caller, or not something an engine can answer with.
std::optional<ListedModel> find_usable_model(Context& context, const std::string& name);
// What is deployed first, then what the catalogue knows to be runnable, newest first; at most 1000 of those.
std::vector<ListedModel> list_usable_models(Context& context);

}  // namespace lyceum::api
