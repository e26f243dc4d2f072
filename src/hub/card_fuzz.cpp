#include "hub/card.h"
#include "hub/card_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum::hub;
  const std::string readme = "---\n" + std::string(reinterpret_cast<const char*>(data), size) + "\n---\n";
  summarise_card(RepoType::model, parse_card(readme), {"a.gguf"});
  check_card(RepoType::model, readme);
  return 0;
}
