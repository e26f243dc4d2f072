#include "git/attributes.h"

// First line: the path; the rest: the attributes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return 0;
  lyceum::git::Attributes attributes;
  attributes.add("", text.substr(end + 1));
  attributes.filter_of(text.substr(0, end));
  return 0;
}
