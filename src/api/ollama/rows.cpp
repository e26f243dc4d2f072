// The hub's side of Ollama's API. Its addresses are /api/ and one word, which the hub's own protocol leaves free: there, /api/ and one word is
// a list (models, datasets, spaces …), and everything of one repository is longer.
#include "api/answer.h"
#include "api/groups.h"
#include "api/ollama/show.h"
#include "api/ollama/style.h"
#include "api/openai/engine_manager.h"
#include "api/openai/fields.h"
#include "api/openai/model_list.h"
#include "api/openai/proxy.h"
#include "api/openai/request_error.h"
#include "api/services.h"
#include "base/clock.h"

namespace lyceum::api {
namespace {

// Of the API that is spoken here: clients look at it before they use a feature. Who speaks it is told beside it.
constexpr const char* kApiVersion = "0.12.0";
constexpr std::string_view kLatest = ":latest";

std::string stream_error(const Error& error) { return ollama_error_text(error) + "\n"; }

// Ollama's clients add the tag to names without one.
std::string without_tag(std::string name) {
  if (name.ends_with(kLatest)) name.resize(name.size() - kLatest.size());
  return name;
}

http::Response generate(Context& context) {
  ModelRequest request = read_model_request(context);
  return pass_to_engine(context, context.request.path, without_tag(request.model), std::move(request.body), stream_error);
}

http::Response show_version(Context& context) { return json_answer(json::object{{"version", kApiVersion}, {"server", "lyceum " + context.services.version}}); }

json::object listed_json(Context& context, const ListedModel& model) {
  const std::string name = model.name + (model.name.find(':') == std::string::npos ? std::string(kLatest) : "");
  return {{"name", name}, {"model", name}, {"modified_at", iso8601(model.repo.modified_ms)}, {"size", weights_size(context.services.hub, model.repo)}, {"digest", model.repo.head}, {"details", ollama_details(model)}};
}

http::Response list_tags(Context& context) {
  json::array models;
  for (const ListedModel& model : list_usable_models(context)) models.push_back(listed_json(context, model));
  return json_answer(json::object{{"models", std::move(models)}});
}

// The engines in memory whose model the caller may use. They stay until their place is needed.
http::Response list_running(Context& context) {
  json::array models;
  for (const auto& engine : context.services.engines.list()) {
    const auto model = find_usable_model(context, engine.label.substr(0, engine.label.find('@')));
    if (!model || engine.state != "ready") continue;
    json::object one = listed_json(context, *model);
    one["size_vram"] = 0;
    one["expires_at"] = "9999-12-31T00:00:00.000Z";
    models.push_back(std::move(one));
  }
  return json_answer(json::object{{"models", std::move(models)}});
}

http::Response show(Context& context) {
  const json::object body = read_json_body(context);
  const Fields fields(body);
  const auto name = fields.text("model") ? fields.text("model") : fields.text("name");
  if (!name || name->empty()) throw RequestError("model", "model is missing");
  return json_answer(show_ollama_model(context, without_tag(*name)));
}

http::Response refuse_change(Context& context) {
  throw Error(Code::unsupported, context.request.path + " is not served here: models are repositories of this hub. Publish them with `hf upload`, change and delete them with the hub's clients.");
}

constexpr RouteRow kRows[] = {
    {"POST", "/api/chat", Access::anyone, "Ollama chat; the handler checks the caller's right to the model", generate},
    {"POST", "/api/generate", Access::anyone, "Ollama completion, with suffix = fill in the middle; the handler checks the right to the model", generate},
    {"POST", "/api/embed", Access::anyone, "Ollama embeddings; the handler checks the right to the model", generate},
    {"POST", "/api/embeddings", Access::anyone, "Ollama embedding of one prompt; the handler checks the right to the model", generate},
    {"GET", "/api/tags", Access::anyone, "Models this caller can use, in Ollama's shape", list_tags},
    {"GET", "/api/ps", Access::anyone, "Models in memory that this caller can use, in Ollama's shape", list_running},
    {"POST", "/api/show", Access::anyone, "What Ollama's clients ask about a model; the handler checks the right to it", show},
    {"GET", "/api/version", Access::anyone, "The version of Ollama's API that is spoken here", show_version},
    {"POST", "/api/pull", Access::anyone, "Refused: models come through the hub's protocol", refuse_change},
    {"POST", "/api/push", Access::anyone, "Refused: models come through the hub's protocol", refuse_change},
    {"POST", "/api/create", Access::anyone, "Refused: models come through the hub's protocol", refuse_change},
    {"POST", "/api/copy", Access::anyone, "Refused: models come through the hub's protocol", refuse_change},
    {"DELETE", "/api/delete", Access::anyone, "Refused: models go through the hub's protocol", refuse_change},
};

}  // namespace

std::span<const RouteRow> ollama_rows() { return kRows; }

}  // namespace lyceum::api
