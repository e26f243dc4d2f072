#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "hub/blobs/s3_client.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    for (const auto& item : lyceum::hub::parse_s3_list(text).items) (void)item;
  } catch (const lyceum::Error&) {
  }
  (void)lyceum::hub::find_xml_text(text, "Code");
  return 0;
}
