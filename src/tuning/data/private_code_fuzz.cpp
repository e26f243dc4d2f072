// Any bytes as a source file: the scans end, and findings lie in the text.
#include <algorithm>

#include "base/error.h"
#include "tuning/data/licences.h"
#include "tuning/data/near_duplicates.h"
#include "tuning/data/secrets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t lines = 1 + static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  for (const auto& finding : lyceum::tuning::find_secrets(text)) LYCEUM_CHECK(finding.line >= 1 && finding.line <= lines, "a finding names a line of the text");
  lyceum::tuning::find_licence(text);
  const std::string_view head = text.substr(0, 400);   // its cost is 128 hashes a token: keep the fuzzer fast
  const std::string_view texts[] = {head, head.substr(0, head.size() / 2), head};
  lyceum::tuning::find_near_duplicates(texts, 0.85);
  return 0;
}
