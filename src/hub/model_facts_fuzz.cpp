// What the hub tells of a GGUF or safetensors header of any bytes: an object or an Error, nothing else.
#include "formats/safetensors.h"
#include "hub/model_facts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const lyceum::Bytes bytes{reinterpret_cast<const std::byte*>(data), size};
  try {
    lyceum::hub::gguf_facts(bytes, size, "fuzz");
  } catch (const lyceum::Error&) {
  }
  try {
    const auto header = lyceum::formats::parse_safetensors_header(bytes, size, "fuzz");
    const auto described = lyceum::hub::safetensors_json(header);
    LYCEUM_CHECK(described.size() == header.tensors.size() + (header.metadata.empty() ? 0 : 1), "every tensor is told once");
  } catch (const lyceum::Error&) {
  }
  return 0;
}
