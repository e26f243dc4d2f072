// chunker.h: cuts a file into chunks where its content says so (gear hash, hub-docs docs/xet/chunking.md), so that the same
// data gives the same chunks wherever it stands in a file. Chunks are 8 to 128 KiB, 64 KiB on average; only the last one of a
// file may be shorter. Every program that speaks Xet must cut at the same places, or nothing deduplicates.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace lyceum::xet {

inline constexpr uint32_t kChunkBytesMin = 8 << 10;
inline constexpr uint32_t kChunkBytesMax = 128 << 10;

// Length of the first chunk of `rest`, which must reach to the end of the file or hold at least kChunkBytesMax bytes.
// 0 for an empty rest.
size_t first_chunk_length(Bytes rest) noexcept;

}  // namespace lyceum::xet
