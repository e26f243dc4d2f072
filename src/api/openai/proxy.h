// proxy.h: the hub's side of every API of models: finds the model and the caller's right to it, has its engine started, and passes the request
// through.
#pragma once

#include <string>

#include "api/route.h"
#include "base/error.h"

namespace lyceum::api {

constexpr size_t kModelBodyLimit = 32u << 20;

// What a stream that has begun ends with when the engine fails.
using StreamError = std::string (*)(const Error&);

struct ModelRequest {
  std::string model, body;
};
// The body as it came, and its field `model`. Throws RequestError if there is none.
ModelRequest read_model_request(Context& context);

// The engine's answer to `body`, of `content_type`, at `target`, streamed if it streams. Throws what find_target() and start_model() throw.
http::Response pass_to_engine(Context& context, const std::string& target, const std::string& model, std::string body, StreamError stream_error, const std::string& content_type = "application/json");

}  // namespace lyceum::api
