// xorb.h: reads a xorb, the unit of upload: up to 8192 chunks, each behind an 8-byte header, compressed or not
// (hub-docs docs/xet/xorb.md).
//
//   | version 0 | stored length u24 | scheme | raw length u24 | stored bytes … | next header …
//   scheme: 0 as is, 1 LZ4 frame, 2 bytes grouped by their position modulo 4, then LZ4 frame
//
// Some clients append a footer that starts with "XETBLOB" where a header would; all in it can be computed, so it is skipped.
// Everything is bounded: a chunk is decompressed into exactly its declared length and refused if it wants more or less.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "xet/hash.h"

namespace lyceum::xet {

inline constexpr size_t kXorbChunksMax = 8192;
inline constexpr uint64_t kXorbRawBytesMax = 64ULL << 20;
inline constexpr uint64_t kXorbStoredBytesMax = 65ULL << 20;  // incompressible chunks carry headers, and a footer may follow

// Fills some of the span and returns how many bytes; 0 at the end.
using ReadBytes = std::function<size_t(std::span<std::byte>)>;

// Streams one xorb: memory stays at about 1 MiB whatever its size, and reads are of 256 KiB at least wherever so much has come. Throws Error(invalid_argument) on anything malformed or over a limit.
class XorbReader {
 public:
  explicit XorbReader(ReadBytes read);
  ~XorbReader();

  // The next chunk, decompressed; valid until the next call. nullopt at the end.
  std::optional<Bytes> next();

  // Chunks read so far, hashed from their content. After the end, xorb_hash(chunks()) is the xorb's true name.
  const std::vector<Chunk>& chunks() const noexcept { return chunks_; }

 private:
  struct Decoder;

  bool has_header();
  bool fetch(size_t count);
  Bytes take(size_t count);
  Bytes decode(Bytes stored, int scheme, size_t raw);
  void skip_footer();

  ReadBytes read_;
  std::unique_ptr<Decoder> decoder_;
  std::vector<Chunk> chunks_;
  uint64_t raw_bytes_ = 0;
  uint64_t stored_bytes_ = 0;
  size_t begin_ = 0, end_ = 0;  // what was read ahead and not yet taken
  bool ended_ = false;
};

}  // namespace lyceum::xet
