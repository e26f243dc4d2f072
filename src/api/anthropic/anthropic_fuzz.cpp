// The body of an Anthropic message: a chat body that the chat reader takes or refuses, or an error that names the field.
#include "api/anthropic/messages.h"
#include "api/openai/chat_messages.h"
#include "api/openai/request_error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum;
  try {
    const json::value body = parse_json({reinterpret_cast<const char*>(data), size}, "body");
    const api::MessagesRequest read = api::read_messages_request(get_object(body, "body"), size % 2 == 0);
    LYCEUM_CHECK(!read.chat.at("messages").get_array().empty(), "there is something to answer");
    api::read_messages(api::Fields(read.chat), true);
  } catch (const Error&) {
  }
  return 0;
}
