// messages.h: a body of POST /v1/messages, turned into the chat body in OpenAI's form that read_chat_job() takes.
#pragma once

#include <string>

#include "base/json.h"

namespace lyceum::api {

struct MessagesRequest {
  json::object chat;
  std::string begun;   // text of a last message by the assistant: the answer goes on from there
};

// counting: for count_tokens, which asks for no max_tokens. Throws RequestError naming the field: malformed, or something that would change the
// answer and is not supported (images, documents, Anthropic's own tools, MCP servers, containers).
MessagesRequest read_messages_request(const json::object& body, bool counting);

}  // namespace lyceum::api
