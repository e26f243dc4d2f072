// The hub's side of llama.cpp's API. Its clients know one model and may name none: then it is the one that is deployed.
#include "api/answer.h"
#include "api/groups.h"
#include "api/openai/deployments.h"
#include "api/openai/fields.h"
#include "api/openai/proxy.h"
#include "api/openai/request_error.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

std::string stream_error(const Error& error) { return "data: " + openai_error_text(error) + "\n\n"; }

std::string only_deployed(Context& context) {
  const auto deployments = load_deployments(context.services.hub);
  if (deployments.size() != 1) throw RequestError("model", "model is missing, and there is not exactly one deployed model");
  return deployments[0].model;
}

http::Response generate(Context& context) {
  std::string body = read_body(context, kModelBodyLimit);
  const json::value value = parse_json(body, "the request body");
  if (!value.is_object()) throw Error(Code::invalid_argument, "The request body must be a JSON object");
  const std::string model = Fields(value.get_object()).text("model").value_or("");
  return pass_to_engine(context, context.request.path, model.empty() ? only_deployed(context) : model, std::move(body), stream_error);
}

http::Response health(Context&) { return json_answer(json::object{{"status", "ok"}}); }

constexpr RouteRow kRows[] = {
    {"POST", "/infill", Access::anyone, "llama.cpp fill in the middle; the handler checks the caller's right to the model", generate},
    {"POST", "/tokenize", Access::anyone, "llama.cpp text to token ids; the handler checks the right to the model", generate},
    {"POST", "/detokenize", Access::anyone, "llama.cpp token ids to text; the handler checks the right to the model", generate},
    {"GET", "/health", Access::anyone, "The process answers, in llama.cpp's shape", health},
};

}  // namespace

std::span<const RouteRow> llama_rows() { return kRows; }

}  // namespace lyceum::api
