// Any bytes as tokenizer.json, then some of them as text. Nothing may crash; what loads must decode what it encodes
// without throwing.
#include <cstdint>

#include "base/error.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    const auto tokenizer = text::load_tokenizer_json(input.substr(0, input.rfind('\0')));
    const auto ids = tokenizer->encode(input.substr(size / 2));
    tokenizer->decode(ids, false);
  } catch (const Error&) {
  }
  return 0;
}
