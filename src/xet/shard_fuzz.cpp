#include "xet/shard.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto shard = lyceum::xet::parse_shard({reinterpret_cast<const std::byte*>(data), size});
    lyceum::xet::write_shard(shard.xorbs, {});
  } catch (const lyceum::Error&) {
  }
  return 0;
}
