// Recipes come from people and from repositories: any text must end in a recipe or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tuning/recipe.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const char* name : {"recipe.json", "recipe.yaml"}) {
    try {
      lyceum::tuning::parse_recipe(text, name);
    } catch (const lyceum::Error&) {
    }
  }
  return 0;
}
