// requests.h: a body of POST /v1/responses, turned into the chat body that read_chat_job() takes. Nothing is kept between requests.
#pragma once

#include <map>
#include <string>

#include "base/json.h"

namespace lyceum::api {

struct NamespacedName {
  std::string space, name;
};
struct ResponsesRequest {
  json::object chat;
  json::object echo;   // fields of the request that the answer repeats
  // Functions of a tool of type "namespace" are offered as "space.name"; calls of them are told apart by this.
  std::map<std::string, NamespacedName> namespaced;
};

// Throws RequestError naming the field: malformed, or something that would change the answer and is not supported (previous_response_id,
// conversation, background, prompt, files and images, tools that are no functions).
ResponsesRequest read_responses_request(const json::object& body);

}  // namespace lyceum::api
