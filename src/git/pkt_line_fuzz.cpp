#include "base/error.h"
#include "git/pkt_line.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum::git;
  try {
    const PushHead head = parse_push_head({reinterpret_cast<const char*>(data), size});
    refused_push_report(head, "no");
  } catch (const lyceum::Error&) {
  }
  return 0;
}
