// An adapter_config.json from outside: a configuration whose answers are finite, or an Error.
#include <cmath>

#include "base/fuzz_file.h"
#include "engine/adapter_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const lyceum::FuzzFile file(data, size);
  try {
    const auto config = lyceum::engine::read_adapter_config(file.path());
    for (const char* module : {"model.layers.0.self_attn.q_proj", "lm_head", ""}) {
      config.targets(module);
      config.requires_tensors(module);
      LYCEUM_CHECK(config.rank(module) >= 1 && std::isfinite(config.scale(module)), "an adapter's scale is finite");
    }
  } catch (const lyceum::Error&) {
  }
  return 0;
}
