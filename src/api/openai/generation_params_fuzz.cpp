// The body of an OpenAI request: parameters within their bounds, or an error that names the field.
#include <cmath>

#include "api/openai/generation_params.h"
#include "api/openai/request_error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum;
  try {
    const json::value body = parse_json({reinterpret_cast<const char*>(data), size}, "body");
    const json::object& object = get_object(body, "body");
    for (const auto endpoint : {api::Endpoint::chat, api::Endpoint::completion}) {
      try {
        const auto read = api::read_generation_params(api::Fields(object), endpoint, {}, 32000);
        LYCEUM_CHECK(read.n >= 1 && std::isfinite(read.sampling.temperature) && read.sampling.temperature >= 0, "parameters are within their bounds");
      } catch (const api::RequestError&) {
      }
    }
  } catch (const Error&) {
  }
  return 0;
}
