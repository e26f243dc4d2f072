#include "formats/gguf.h"

// Any bytes either parse into a header whose tensors lie inside the file, or throw Error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const lyceum::Bytes bytes{reinterpret_cast<const std::byte*>(data), size};
  try {
    const auto header = lyceum::formats::parse_gguf_header(bytes, size, "fuzz");
    for (const auto& tensor : header.tensors) {
      LYCEUM_CHECK(tensor.begin == tensor.end || header.data_offset + tensor.end <= size, "a tensor lies outside the file");
    }
    header.find_number("general.file_type");
  } catch (const lyceum::Error&) {
  }
  return 0;
}
