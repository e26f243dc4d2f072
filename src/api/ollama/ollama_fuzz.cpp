// Bodies of Ollama's API: a body that the shared readers take or refuse, or an error that names the field.
#include "api/ollama/requests.h"
#include "api/openai/chat_messages.h"
#include "api/openai/generation_params.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum;
  try {
    const json::value value = parse_json({reinterpret_cast<const char*>(data), size}, "body");
    const json::object& body = get_object(value, "body");
    const api::OllamaPrompt prompt = api::read_ollama_generate(body, size % 2 == 0);
    LYCEUM_CHECK(prompt.body.contains(prompt.chat ? "messages" : "prompt"), "there is something to answer");
  } catch (const Error&) {
  }
  try {
    const json::value value = parse_json({reinterpret_cast<const char*>(data), size}, "body");
    const json::object chat = api::read_ollama_chat(get_object(value, "body"));
    api::read_messages(api::Fields(chat), true);
    api::read_generation_params(api::Fields(chat), api::Endpoint::chat, {}, 32000);
  } catch (const Error&) {
  }
  return 0;
}
