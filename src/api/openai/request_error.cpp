#include "api/openai/request_error.h"

#include "base/json.h"

namespace lyceum::api {
namespace {

std::string_view type_of(Code code) {
  switch (code) {
    case Code::unauthorized: return "authentication_error";
    case Code::forbidden: return "permission_error";
    case Code::too_many_requests: return "rate_limit_error";
    default: return http_status(code) >= 500 ? "server_error" : "invalid_request_error";
  }
}

json::value text_or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

}  // namespace

std::string openai_error_text(const Error& error) {
  const auto* request_error = dynamic_cast<const RequestError*>(&error);
  return json::serialize(json::object{{"error", json::object{{"message", error.what()},
                                                             {"type", type_of(error.code())},
                                                             {"param", text_or_null(request_error ? request_error->param() : "")},
                                                             {"code", text_or_null(error.tag())}}}});
}

}  // namespace lyceum::api
