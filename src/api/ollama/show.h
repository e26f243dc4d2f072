// show.h: what Ollama's clients are told about a model. From its repository alone: no engine is started for it.
#pragma once

#include "api/openai/model_list.h"
#include "base/json.h"

namespace lyceum::api {

json::object ollama_details(const ListedModel& model);
uint64_t weights_size(hub::Hub& hub, const hub::Repo& repo);   // bytes of the weights in the root folder
// The body of POST /api/show. Throws what find_target() throws.
json::object show_ollama_model(Context& context, const std::string& name);

}  // namespace lyceum::api
