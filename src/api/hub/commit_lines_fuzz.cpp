#include "api/hub/commit_lines.h"

// The body arrives in pieces whose size the first byte chooses.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t piece = data[0] + 1u;
  std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  try {
    lyceum::api::CommitLines lines({.line_bytes = 4096, .total_bytes = 8192, .actions = 16});
    while (!rest.empty()) {
      lines.feed(rest.substr(0, piece));
      rest.remove_prefix(std::min(piece, rest.size()));
    }
    lines.finish();
  } catch (const lyceum::Error&) {
  }
  return 0;
}
