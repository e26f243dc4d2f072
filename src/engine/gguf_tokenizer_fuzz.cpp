// The tokenizer inside a GGUF file: what is made of it must load, or be refused, and encode any text.
#include "base/error.h"
#include "engine/gguf_tokenizer.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum;
  try {
    const auto header = formats::parse_gguf_header({reinterpret_cast<const std::byte*>(data), size}, size, "fuzz");
    const auto found = engine::find_gguf_tokenizer(header);
    if (!found) return 0;
    const auto tokenizer = text::load_tokenizer_json(found->tokenizer_json);
    tokenizer->decode(tokenizer->encode("Hello, wörld 42"), false);
  } catch (const Error&) {
  }
  return 0;
}
