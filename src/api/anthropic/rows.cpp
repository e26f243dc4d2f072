// The hub's side of Anthropic's Messages API. A model is named as everywhere: owner/name.
#include "api/anthropic/error.h"
#include "api/groups.h"
#include "api/openai/proxy.h"

namespace lyceum::api {
namespace {

std::string stream_error(const Error& error) { return "event: error\ndata: " + anthropic_error_text(error) + "\n\n"; }

http::Response generate(Context& context) {
  ModelRequest request = read_model_request(context);
  return pass_to_engine(context, context.request.path, request.model, std::move(request.body), stream_error);
}

constexpr RouteRow kRows[] = {
    {"POST", "/v1/messages", Access::anyone, "Anthropic message; the handler checks the caller's right to the model", generate},
    {"POST", "/v1/messages/count_tokens", Access::anyone, "How many tokens an Anthropic message is; the handler checks the right to the model", generate},
};

}  // namespace

std::span<const RouteRow> anthropic_rows() { return kRows; }

}  // namespace lyceum::api
