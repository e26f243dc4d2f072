#include "api/anthropic/error.h"

#include "base/json.h"

namespace lyceum::api {
namespace {

std::string_view type_of(Code code) {
  switch (code) {
    case Code::unauthorized: return "authentication_error";
    case Code::forbidden: return "permission_error";
    case Code::not_found: return "not_found_error";
    case Code::too_large: return "request_too_large";
    case Code::too_many_requests: return "rate_limit_error";
    case Code::unavailable: return "overloaded_error";
    default: return http_status(code) >= 500 ? "api_error" : "invalid_request_error";
  }
}

}  // namespace

std::string anthropic_error_text(const Error& error) {
  return json::serialize(json::object{{"type", "error"}, {"error", json::object{{"type", type_of(error.code())}, {"message", error.what()}}}});
}

}  // namespace lyceum::api
