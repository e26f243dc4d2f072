#include "formats/llama2c.h"

// Any bytes either parse into tensors that lie inside the file, or throw Error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum;
  const Bytes bytes{reinterpret_cast<const std::byte*>(data), size};
  formats::Llama2cTensors tensors;
  const auto inside = [&](Bytes one) { return one.data() >= bytes.data() && one.data() + one.size() <= bytes.data() + size; };
  try {
    const auto config = formats::parse_llama2c(bytes, "fuzz", tensors);
    LYCEUM_CHECK(tensors.wq.size() == config.layers && inside(tensors.embedding) && inside(tensors.head) && inside(tensors.final_norm), "a tensor lies outside the file");
    for (const auto* list : {&tensors.wq, &tensors.wo, &tensors.w3}) {
      for (const Bytes& one : *list) LYCEUM_CHECK(inside(one), "a tensor lies outside the file");
    }
  } catch (const Error&) {
  }
  return 0;
}
