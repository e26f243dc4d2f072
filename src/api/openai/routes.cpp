// The hub's side of OpenAI's API: generation, which models there are, what is deployed.
#include <fmt/format.h>

#include "api/answer.h"
#include "api/groups.h"
#include "api/openai/audio_server.h"
#include "api/openai/deployments.h"
#include "api/openai/fields.h"
#include "api/openai/model_list.h"
#include "api/openai/model_target.h"
#include "api/openai/multipart.h"
#include "api/openai/proxy.h"
#include "api/openai/request_error.h"
#include "api/services.h"
#include "base/clock.h"

namespace lyceum::api {
namespace {

std::string stream_error(const Error& error) { return "data: " + openai_error_text(error) + "\n\n"; }

http::Response generate(Context& context) {
  ModelRequest request = read_model_request(context);
  return pass_to_engine(context, context.request.path, request.model, std::move(request.body), stream_error);
}

// Only the model's name is read here: the recording goes to the engine as it came.
http::Response listen(Context& context) {
  std::string body = read_body(context, kAudioBodyLimit);
  const std::string type(context.request.headers.find("Content-Type").value_or(""));
  const auto model = FormData::parse(type, body).text("model");
  if (!model) throw RequestError("model", "model is missing");
  return pass_to_engine(context, context.request.path, *model, std::move(body), stream_error, type);
}

http::Response score(Context& context) {
  json::object body = read_json_body(context, kModelBodyLimit);
  const Fields fields(body);
  const auto adapter = fields.text("adapter");
  const auto model = adapter && !adapter->empty() ? adapter : fields.text("model");
  if (!model || model->empty()) throw RequestError("model", "model is missing");
  body.erase("adapter");
  body.erase("model");
  return pass_to_engine(context, "/internal/score", *model, json::serialize(body), stream_error);
}

json::object model_row(const ListedModel& model) {
  json::object row{{"id", model.name}, {"object", "model"}, {"created", model.repo.created_ms / 1000}, {"owned_by", model.repo.repo_id.owner}, {"deployed", model.deployed}};
  row["type"] = "model";   // from here on for Anthropic's clients, which ask at the same address
  row["display_name"] = model.name;
  row["created_at"] = iso8601(model.repo.created_ms);
  if (!model.parent.empty()) row["parent"] = model.parent;
  return row;
}

http::Response list_models(Context& context) {
  json::array data;
  for (const ListedModel& model : list_usable_models(context)) data.push_back(model_row(model));
  json::object body{{"object", "list"}, {"has_more", false}, {"first_id", nullptr}, {"last_id", nullptr}};
  if (!data.empty()) {
    body["first_id"] = data.front().at("id");
    body["last_id"] = data.back().at("id");
  }
  body["data"] = std::move(data);
  return json_answer(body);
}

http::Response get_model(Context& context) {
  const std::string& name = context.request.param("model");
  const auto model = find_usable_model(context, name);
  if (!model) throw Error(Code::not_found, "The model `" + name + "` does not exist, or cannot be run here", "model_not_found");
  return json_answer(model_row(*model));
}

// --- deployments -------------------------------------------------------------------------------------------------------------

http::Response list_deployments(Context& context) {
  json::array rows;
  for (const Deployment& one : load_deployments(context.services.hub)) {
    if (!find_usable_model(context, one.model)) continue;
    Deployment visible{one.model, {}, one.draft.empty() || !find_usable_model(context, one.draft) ? "" : one.draft};
    for (const std::string& adapter : one.adapters) {
      if (find_usable_model(context, adapter)) visible.adapters.push_back(adapter);
    }
    rows.push_back(deployment_json(visible));
  }
  return json_answer(rows);
}

Deployment read_deployment(Context& context) {
  const json::object body = read_json_body(context);
  const Fields fields(body);
  Deployment out{fields.text("model").value_or(""), {}, fields.text("draft").value_or("")};
  if (!find_model_name(out.model)) throw RequestError("model", "model must be owner/name, owner/name@revision or owner/name:variant");
  if (!out.draft.empty() && !find_model_name(out.draft)) throw RequestError("draft", "draft must be owner/name, owner/name@revision or owner/name:variant");
  if (const json::value* adapters = fields.find("adapters")) {
    if (!adapters->is_array()) throw RequestError("adapters", "adapters must be a list of repositories");
    for (const json::value& one : adapters->get_array()) {
      if (!one.is_string() || !find_model_name(std::string(one.get_string()))) throw RequestError("adapters", "adapters must be a list of repositories: owner/name");
      out.adapters.emplace_back(one.get_string());
    }
  }
  return out;
}

void replace(std::vector<Deployment>& all, const Deployment& one) {
  for (Deployment& other : all) {
    if (other.model == one.model) {
      other = one;
      return;
    }
  }
  all.push_back(one);
}

// Everything is loaded before it is recorded, so that what is deployed is known to work.
http::Response deploy(Context& context) {
  const Deployment wanted = read_deployment(context);
  ModelTarget target = find_target(context, wanted.model);
  if (target.adapter) throw Error(Code::invalid_argument, wanted.model + " is an adapter; deploy its base model with it: " + target.base.repo.repo_id.full_name());
  target.deployed = true;
  target.draft = wanted.draft.empty() ? std::nullopt : std::optional(find_draft(context, wanted.draft));
  const RunningModel base = start_model(context, target);
  hub::Hub& hub = context.services.hub;
  for (const std::string& name : wanted.adapters) load_adapter(context, base.lease, find_adapter(context, name));
  const auto held = hub.take_lock("deployments");
  auto all = load_deployments(hub);
  replace(all, wanted);
  save_deployments(hub, all);
  return json_answer(deployment_json(wanted));
}

http::Response undeploy(Context& context) {
  const std::string model = read_deployment(context).model;
  EngineManager& engines = context.services.engines;
  {
    const auto held = context.services.hub.take_lock("deployments");
    auto all = load_deployments(context.services.hub);
    if (std::erase_if(all, [&](const Deployment& one) { return one.model == model; }) == 0) throw Error(Code::not_found, model + " is not deployed");
    save_deployments(context.services.hub, all);
  }
  try {
    engines.stop(engine_key(find_target(context, model)));
  } catch (const Error&) {
    return json_answer(json::object{{"model", model}});  // the repository has gone; its engine will make room when one is needed
  }
  return json_answer(json::object{{"model", model}});
}

http::Response list_engines(Context& context) {
  json::array rows;
  for (const auto& one : context.services.engines.list()) {
    rows.push_back(json::object{{"model", one.label}, {"state", one.state}, {"pid", one.pid}, {"requests", one.leases}, {"deployed", one.pinned}, {"adapters", json::value_from(one.adapters)}});
  }
  return json_answer(rows);
}

constexpr RouteRow kOpenaiRows[] = {
    {"GET", "/v1/models", Access::anyone, "Models this caller can use, in OpenAI's shape", list_models},
    {"GET", "/v1/models/{model*}", Access::anyone, "One model", get_model},
    {"POST", "/v1/chat/completions", Access::anyone, "OpenAI chat completion; the handler checks the caller's right to the model", generate},
    {"POST", "/v1/completions", Access::anyone, "OpenAI text completion, with suffix = fill in the middle; the handler checks the right to the model", generate},
    {"POST", "/v1/responses", Access::anyone, "OpenAI response, kept nowhere; the handler checks the right to the model", generate},
    {"POST", "/v1/embeddings", Access::anyone, "OpenAI embeddings; the handler checks the right to the model", generate},
    {"POST", "/v1/rerank", Access::anyone, "Documents by how well they answer a query, in Jina's and Cohere's shape; the handler checks the right to the model", generate},
    {"POST", "/v1/audio/transcriptions", Access::anyone, "OpenAI transcription of a recording; the handler checks the right to the model", listen},
    {"POST", "/v1/audio/translations", Access::anyone, "OpenAI translation of a recording to English; the handler checks the right to the model", listen},
    {"POST", "/api/lyceum/score", Access::anyone, "Log-probability of every token of a text; the handler checks the right to the model", score},
};

constexpr RouteRow kDeploymentRows[] = {
    {"GET", "/api/lyceum/deployments", Access::anyone, "Deployed models that the caller may read", list_deployments},
    {"POST", "/api/lyceum/deployments", Access::administrator, "Load a model with its adapters and its draft model, and keep it deployed", deploy},
    {"DELETE", "/api/lyceum/deployments", Access::administrator, "End a deployment", undeploy},
    {"GET", "/api/lyceum/engines", Access::administrator, "Engine processes in memory", list_engines},
};

}  // namespace

std::span<const RouteRow> openai_rows() { return kOpenaiRows; }
std::span<const RouteRow> deployment_rows() { return kDeploymentRows; }

}  // namespace lyceum::api
