// The body of a Responses request: a chat body that the chat reader takes or refuses, or an error that names the field.
#include "api/openai/chat_messages.h"
#include "api/responses/requests.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum;
  try {
    const json::value body = parse_json({reinterpret_cast<const char*>(data), size}, "body");
    const api::ResponsesRequest read = api::read_responses_request(get_object(body, "body"));
    LYCEUM_CHECK(!read.chat.at("messages").get_array().empty(), "there is something to answer");
    api::read_messages(api::Fields(read.chat), true);
  } catch (const Error&) {
  }
  return 0;
}
