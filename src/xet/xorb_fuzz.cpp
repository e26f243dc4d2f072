#include <algorithm>
#include <cstring>

#include "xet/xorb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  size_t at = 0;
  try {
    lyceum::xet::XorbReader reader([&](std::span<std::byte> into) {
      const size_t count = std::min(into.size(), size - at);
      if (count > 0) std::memcpy(into.data(), data + at, count);
      at += count;
      return count;
    });
    while (reader.next()) {
    }
    lyceum::xet::file_hash(reader.chunks());
  } catch (const lyceum::Error&) {
  }
  return 0;
}
