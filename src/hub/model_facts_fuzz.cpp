// A GGUF header of any bytes gives an object or an Error, nothing else.
#include "hub/model_facts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    lyceum::hub::parse_gguf_header({reinterpret_cast<const std::byte*>(data), size});
  } catch (const lyceum::Error&) {
  }
  return 0;
}
