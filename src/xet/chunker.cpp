#include "xet/chunker.h"

#include <algorithm>

#include "xet/gear_table.h"

namespace lyceum::xet {

size_t first_chunk_length(Bytes rest) noexcept {
  // The hash shifts left once per byte, so its value at a cut depends on the 64 bytes before it only: hashing may start 64
  // bytes ahead of the first place where a cut is allowed.
  constexpr uint64_t kCutMask = 0xffff000000000000;
  constexpr size_t kWindow = 64;
  if (rest.size() <= kChunkBytesMin) return rest.size();
  const size_t end = std::min<size_t>(rest.size(), kChunkBytesMax);
  uint64_t hash = 0;
  size_t at = kChunkBytesMin - kWindow;
  for (; at < kChunkBytesMin - 1; ++at) hash = (hash << 1) + kGearTable[std::to_integer<size_t>(rest[at])];
  for (; at < end; ++at) {
    hash = (hash << 1) + kGearTable[std::to_integer<size_t>(rest[at])];
    if ((hash & kCutMask) == 0) return at + 1;
  }
  return end;
}

}  // namespace lyceum::xet
