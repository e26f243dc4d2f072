#include "spaces/space_app.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    lyceum::spaces::to_json(lyceum::spaces::parse_space_app({reinterpret_cast<const char*>(data), size}, "title"));
  } catch (const lyceum::Error&) {
    // A refused file is the expected outcome.
  }
  return 0;
}
