// First line: a path; the rest: a .gitignore. Nothing hangs, and no rule ignores nothing.
#include "api/hub/ignore_rules.h"
#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\n'), size);
  lyceum::api::IgnoreRules(input.substr(std::min(end + 1, size))).ignores(input.substr(0, end));
  LYCEUM_CHECK(!lyceum::api::IgnoreRules("").ignores(input.substr(0, end)), "without rules nothing is ignored");
  return 0;
}
