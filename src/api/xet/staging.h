// staging.h: received xorbs on disk, between their upload and the shard that turns them into files.
//
// A staged xorb is one file, staging/xorbs/<hash>.xorb: its chunks uncompressed behind plain headers (xet/plain_xorb.h), then
// this index, so that a chunk can be found without reading the rest:
//
//   | header 0 | chunk 0 | … | hash 0 | length 0 (u32) | hash 1 | … | count (u32) | "LYXORB01" |
//
// A file that is there under its name is complete, verified and durable.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "base/files.h"
#include "base/large_file.h"
#include "hub/hub.h"
#include "xet/hash.h"
#include "xet/xorb.h"

namespace lyceum::api {

class StagedXorb {
 public:
  explicit StagedXorb(const fs::path& path);  // Error(internal) on a damaged file
  const std::vector<xet::Chunk>& chunks() const noexcept { return chunks_; }
  Bytes chunk(size_t index);  // valid until the next call

 private:
  LargeFileReader file_;
  std::vector<xet::Chunk> chunks_;
  std::vector<uint64_t> offsets_;
};

// What is older than this is an abandoned upload. hf_xet remembers for three weeks which chunks it has uploaded and then does not send
// them again, so a shorter time would make an upload that was interrupted and taken up later fail.
inline constexpr int64_t kStagedLifetimeMs = 22LL * 24 * 3600 * 1000;

class Staging {
 public:
  explicit Staging(const hub::Hub& hub);

  // Reads a xorb to its end, checks every chunk and its name, and keeps it. Error(invalid_argument) if anything is wrong.
  void receive(const xet::Hash& hash, xet::ReadBytes read);
  bool has(const xet::Hash& hash) const;
  std::unique_ptr<StagedXorb> find(const xet::Hash& hash) const;  // null if absent
  void remove(const xet::Hash& hash);                             // open StagedXorbs stay valid
  void keep_longer(const xet::Hash& hash);                        // its lifetime starts anew
  size_t remove_older_than(int64_t lifetime_ms);                  // by the file system's clock; returns how many

 private:
  fs::path path_of(const xet::Hash& hash) const;
  fs::path folder_;
};

}  // namespace lyceum::api
