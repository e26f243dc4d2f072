// Any bytes as a template over a small chat. Nothing may crash, hang or grow without bound.
#include <cstdint>

#include "base/error.h"
#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum;
  try {
    text::ChatInputs inputs;
    inputs.now_ms = 1;
    inputs.bos_token = "<s>";
    inputs.messages = {json::object{{"role", "user"}, {"content", "Hello, wörld"}},
                       json::object{{"role", "assistant"}, {"content", nullptr}}};
    text::ChatTemplate({reinterpret_cast<const char*>(data), size}).render(inputs);
  } catch (const Error&) {
  }
  return 0;
}
