// An importance matrix from outside: read or refused, and its means taken.
#include "base/error.h"
#include "quantizer/importance.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum;
  try {
    const auto found = quantizer::parse_importance({reinterpret_cast<const std::byte*>(data), size}, "fuzz");
    for (const auto& [name, entry] : found.entries) found.find_means(name, entry.columns, entry.counts.size());
  } catch (const Error&) {
  }
  return 0;
}
