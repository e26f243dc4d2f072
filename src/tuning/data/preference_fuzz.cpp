// A file of preference pairs from outside: pairs or an Error.
#include "base/fuzz_file.h"
#include "tuning/data/preference_pairs.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const lyceum::FuzzFile file(data, size);
  try {
    for (const auto& pair : lyceum::tuning::load_preferences(file.path())) LYCEUM_CHECK(!pair.prompt.empty() && pair.chosen.is_object(), "a pair has a prompt and two answers");
  } catch (const lyceum::Error&) {
  }
  return 0;
}
