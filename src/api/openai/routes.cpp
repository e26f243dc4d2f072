// The hub's side of OpenAI's API: finds the model and the caller's right to it, has its engine started, and passes the request through.
#include <fmt/format.h>

#include "api/answer.h"
#include "api/groups.h"
#include "api/openai/deployments.h"
#include "api/openai/engine_server.h"
#include "api/openai/fields.h"
#include "api/openai/model_target.h"
#include "api/openai/request_error.h"
#include "api/services.h"
#include "http/client.h"
#include "hub/catalogue.h"

namespace lyceum::api {
namespace {

constexpr size_t kBodyLimit = 32u << 20;
constexpr unsigned kTimeoutSeconds = 3600;  // a long prompt on a slow machine; a client that goes away ends it sooner
constexpr size_t kListed = 1000;

// One request to an engine, alive as long as its answer is being passed on.
struct Proxied {
  RunningModel model;
  http::Client client;
  http::ClientResponse head;

  explicit Proxied(RunningModel given) : model(std::move(given)), client(model.lease.address(), kTimeoutSeconds) {}
};

// A broken connection most often means that the engine died: say so, with its last lines.
template <typename Work>
auto explained(EngineManager& engines, const Proxied& proxied, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    const std::string why = error.code() == Code::unavailable ? engines.why_it_failed(proxied.model.lease) : std::string();
    if (why.empty()) throw;
    throw Error(Code::unavailable, why, "engine_died");
  }
}

std::string read_rest(http::Client& client) {
  std::string all;
  std::array<std::byte, 65536> piece;
  while (const size_t got = client.read(piece)) all += as_text(Bytes(piece.data(), got));
  return all;
}

void pass_on(EngineManager& engines, Proxied& proxied, http::BodyWriter& writer) {
  proxied.client.set_keep_waiting([&writer] { return !writer.client_gone(); });
  std::array<std::byte, 65536> piece;
  try {
    while (const size_t got = explained(engines, proxied, [&] { return proxied.client.read(piece); })) writer.write(as_text(Bytes(piece.data(), got)));
  } catch (const Error& error) {
    if (writer.client_gone()) throw;
    writer.write("data: " + openai_error_text(error) + "\n\n");
  }
}

http::Response proxy(Context& context, const std::string& target, const std::string& model, std::string body) {
  EngineManager& engines = context.services.engines;
  const auto proxied = std::make_shared<Proxied>(start_model(context, find_target(context, model)));
  http::ClientRequest request{.method = "POST", .target = target, .body = std::move(body), .keep_waiting = [&] { return !context.request.client_gone || !context.request.client_gone(); }};
  request.headers.set("Content-Type", "application/json");
  request.headers.set(kAdapterHeader, proxied->model.adapter);
  proxied->head = explained(engines, *proxied, [&] { return proxied->client.begin(request); });
  http::Response response;
  response.status = proxied->head.status;
  for (const char* name : {"Content-Type", "Cache-Control", "X-Accel-Buffering", "X-Error-Code", "X-Error-Message"}) {
    if (const auto value = proxied->head.headers.find(name)) response.headers.set(name, *value);
  }
  if (!proxied->head.headers.find("Content-Type").value_or("").starts_with("text/event-stream")) {
    response.body = explained(engines, *proxied, [&] { return read_rest(proxied->client); });
    return response;
  }
  response.stream = [proxied, &engines](http::BodyWriter& writer) { pass_on(engines, *proxied, writer); };
  return response;
}

http::Response generate(Context& context) {
  try {
    std::string text = read_body(context, kBodyLimit);
    const json::value body = parse_json(text, "the request body");
    if (!body.is_object()) throw Error(Code::invalid_argument, "The request body must be a JSON object");
    const auto model = Fields(body.get_object()).text("model");
    if (!model || model->empty()) throw RequestError("model", "model is missing");
    return proxy(context, context.request.path, *model, std::move(text));
  } catch (const RequestError& error) {
    return openai_error_response(error);
  }
}

http::Response score(Context& context) {
  try {
    json::object body = read_json_body(context, kBodyLimit);
    const Fields fields(body);
    const auto adapter = fields.text("adapter");
    const auto model = adapter && !adapter->empty() ? adapter : fields.text("model");
    if (!model || model->empty()) throw RequestError("model", "model is missing");
    body.erase("adapter");
    body.erase("model");
    return proxy(context, "/internal/score", *model, json::serialize(body));
  } catch (const RequestError& error) {
    return openai_error_response(error);
  }
}

// --- listing ---------------------------------------------------------------------------------------------------------------

json::object model_row(const hub::Repo& repo, const std::string& name) {
  return {{"id", name}, {"object", "model"}, {"created", repo.created_ms / 1000}, {"owned_by", repo.repo_id.owner}};
}

// nullopt: not visible to this caller, or not something an engine can answer with.
std::optional<json::object> find_model_row(Context& context, const std::string& name) {
  try {
    const ModelTarget target = find_target(context, name);
    json::object row = model_row(target.adapter ? target.adapter->repo : target.base.repo, name);
    if (target.adapter) row["parent"] = target.base.repo.repo_id.full_name();
    row["deployed"] = target.deployed;
    return row;
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool is_adapter(const hub::Repo& repo) {
  return std::any_of(repo.tags.begin(), repo.tags.end(), [](const std::string& tag) { return tag.starts_with("base_model:adapter:"); });
}

// What the catalogue knows to be runnable. No file is looked at, but for an adapter, whose base must be here, and gated content.
void add_runnable(Context& context, const std::vector<std::string>& listed, json::array& data) {
  if (!context.caller.user && !context.services.anonymous_inference) return;
  hub::search::Query query;
  query.runnable = true;
  query.sort = hub::search::Sort::modified;
  query.limit = kListed;
  for (const hub::Repo& repo : context.services.hub.catalogue().list(context.caller, query).repos) {
    const std::string name = repo.repo_id.full_name();
    if (std::find(listed.begin(), listed.end(), name) != listed.end()) continue;
    if (is_adapter(repo) || repo.library_name == "peft" || !repo.gated.empty()) {
      if (auto row = find_model_row(context, name)) data.push_back(std::move(*row));
      continue;
    }
    json::object row = model_row(repo, name);
    row["deployed"] = false;
    data.push_back(std::move(row));
  }
}

http::Response list_models(Context& context) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const Deployment& one : load_deployments(context.services.hub)) {
    add(one.model);
    for (const std::string& adapter : one.adapters) add(adapter);
  }
  json::array data;
  for (const std::string& name : names) {
    if (auto row = find_model_row(context, name)) data.push_back(std::move(*row));
  }
  add_runnable(context, names, data);
  return json_answer(json::object{{"object", "list"}, {"data", std::move(data)}});
}

http::Response get_model(Context& context) {
  const std::string& name = context.request.param("model");
  auto row = find_model_row(context, name);
  if (!row) throw Error(Code::not_found, "The model `" + name + "` does not exist, or cannot be run here", "model_not_found");
  return json_answer(*row);
}

// --- deployments -------------------------------------------------------------------------------------------------------------

json::object deployment_json(const Deployment& one) { return {{"model", one.model}, {"adapters", json::value_from(one.adapters)}}; }

http::Response list_deployments(Context& context) {
  json::array rows;
  for (const Deployment& one : load_deployments(context.services.hub)) {
    if (!find_model_row(context, one.model)) continue;
    Deployment visible{one.model, {}};
    for (const std::string& adapter : one.adapters) {
      if (find_model_row(context, adapter)) visible.adapters.push_back(adapter);
    }
    rows.push_back(deployment_json(visible));
  }
  return json_answer(rows);
}

Deployment read_deployment(Context& context) {
  const json::object body = read_json_body(context);
  const Fields fields(body);
  Deployment out{fields.text("model").value_or(""), {}};
  if (!find_model_name(out.model)) throw RequestError("model", "model must be owner/name, owner/name@revision or owner/name:variant");
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
      other.adapters = one.adapters;
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
    {"POST", "/v1/embeddings", Access::anyone, "OpenAI embeddings; the handler checks the right to the model", generate},
    {"POST", "/api/lyceum/score", Access::anyone, "Log-probability of every token of a text; the handler checks the right to the model", score},
};

constexpr RouteRow kDeploymentRows[] = {
    {"GET", "/api/lyceum/deployments", Access::anyone, "Deployed models that the caller may read", list_deployments},
    {"POST", "/api/lyceum/deployments", Access::administrator, "Load a model with its adapters, and keep it deployed", deploy},
    {"DELETE", "/api/lyceum/deployments", Access::administrator, "End a deployment", undeploy},
    {"GET", "/api/lyceum/engines", Access::administrator, "Engine processes in memory", list_engines},
};

}  // namespace

std::span<const RouteRow> openai_rows() { return kOpenaiRows; }
std::span<const RouteRow> deployment_rows() { return kDeploymentRows; }

}  // namespace lyceum::api
