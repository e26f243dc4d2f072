// shard.h: the list of files and xorbs that a client sends at the end of an upload, and that answers a deduplication query
// (hub-docs docs/xet/shard.md). All records are 48 bytes; each section ends with a record whose hash is all ones.
//
//   header │ per file: head, terms…, term hashes…?, sha256? │ bookend │ per xorb: head, chunks… │ bookend │ footer (200 bytes)?
//
// Uploaded shards come without the footer; one that has it is accepted and the footer not read, since nothing in it is needed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "xet/hash.h"

namespace lyceum::xet {

inline constexpr size_t kShardBytesMax = 72u << 20;  // clients aim at 64 MiB

struct ShardTerm {
  Hash xorb;
  uint32_t length = 0;                      // raw bytes
  uint32_t chunk_begin = 0, chunk_end = 0;  // within the xorb; begin < end
};

struct ShardFile {
  Hash hash;
  std::vector<ShardTerm> terms;
  std::vector<Hash> term_hashes;     // as many as terms, or none
  std::optional<std::string> sha256; // plain hexadecimal
};

struct ShardXorb {
  Hash hash;
  std::vector<Chunk> chunks;
  uint32_t stored_bytes = 0;
};

struct Shard {
  std::vector<ShardFile> files;
  std::vector<ShardXorb> xorbs;
};

// Throws Error(invalid_argument) on anything malformed. Memory is at most a small multiple of the input.
Shard parse_shard(Bytes bytes);

struct ShardKey {
  Hash key;                    // chunk hashes are written keyed with it; all zero = as they are
  uint64_t created_s = 0, expires_s = 0;
};

// A shard with a footer and no files: the answer to a deduplication query.
std::string write_shard(const std::vector<ShardXorb>& xorbs, const ShardKey& key);

}  // namespace lyceum::xet
