// In the engine process: POST /v1/messages and /v1/messages/count_tokens.
#include "api/anthropic/messages.h"
#include "api/anthropic/style.h"

namespace lyceum::api {

http::Response answer_messages(const EngineContext& context, http::Request& request) {
  const MessagesRequest read = read_messages_request(read_request(request), false);
  return answer_generation(context.engine, request, read_chat_job(context, request, read.chat, {.begun = read.begun}), make_anthropic_style);
}

http::Response count_message_tokens(const EngineContext& context, http::Request& request) {
  const MessagesRequest read = read_messages_request(read_request(request), true);
  const GenerationJob job = read_chat_job(context, request, read.chat, {.begun = read.begun, .any_length = true});
  return http::Response::json(json::serialize(json::object{{"input_tokens", job.requests.at(0).prompt.size()}}));
}

}  // namespace lyceum::api
