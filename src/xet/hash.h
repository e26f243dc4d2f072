// hash.h: the hashes of the Xet protocol, all of them keyed BLAKE3 (hub-docs docs/xet/hashing.md).
//
//   chunk hash   keyed(data key) of a chunk's bytes
//   node hash    keyed(node key) of lines "<hash> : <length>\n", combined into a tree: see xorb_hash()
//   file hash    keyed(zero key) of the root of the tree over all chunks of the file
//   term hash    keyed(verification key) of the raw hashes of consecutive chunks: the proof that an uploader has the data
//
// A hash is written as text in a way of its own: four little-endian 64-bit numbers, 16 hexadecimal digits each.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace lyceum::xet {

struct Hash {
  std::array<std::byte, 32> bytes{};
  auto operator<=>(const Hash&) const = default;

  // The number that decides where tree nodes are cut and which chunks may be asked for in global deduplication.
  uint64_t last_word() const noexcept;
};

std::string to_text(const Hash& hash);                         // 64 lower-case digits
std::optional<Hash> find_from_text(std::string_view text);     // nullopt unless exactly that

// A chunk as the trees see it: its hash and its length before compression.
struct Chunk {
  Hash hash;
  uint32_t length = 0;
};

Hash chunk_hash(Bytes chunk) noexcept;
Hash xorb_hash(std::span<const Chunk> chunks);                 // root of the tree; zero for no chunks
Hash file_hash(std::span<const Chunk> chunks);                 // zero for the empty file
Hash term_hash(std::span<const Hash> chunk_hashes) noexcept;
Hash keyed_hash(const Hash& key, const Hash& message) noexcept;  // the HMAC of deduplication answers

}  // namespace lyceum::xet
