#include "formats/safetensors.h"

// Any bytes either parse into a header whose tensors lie inside the file, or throw Error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const lyceum::Bytes bytes{reinterpret_cast<const std::byte*>(data), size};
  try {
    const auto header = lyceum::formats::parse_safetensors_header(bytes, size, "fuzz");
    for (const auto& tensor : header.tensors) {
      LYCEUM_CHECK(header.data_offset + tensor.end <= size && tensor.begin <= tensor.end, "a tensor lies outside the file");
    }
    header.parameters_by_dtype();
  } catch (const lyceum::Error&) {
  }
  return 0;
}
