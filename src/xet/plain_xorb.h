// plain_xorb.h: the form in which we give xorbs out: every chunk uncompressed behind its header. It needs no storage of its
// own, because each byte of it follows from the chunk lengths and the files at rest:
//
//   | header 0 | chunk 0 | header 1 | chunk 1 | …       offset of chunk i = 8 i + the lengths of the chunks before it
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace lyceum::xet {

std::array<std::byte, 8> plain_chunk_header(uint32_t length) noexcept;

// The byte layout of one plain xorb.
class PlainXorb {
 public:
  explicit PlainXorb(std::span<const uint32_t> chunk_lengths);

  size_t count() const noexcept { return offsets_.size() - 1; }
  uint64_t size() const noexcept { return offsets_.back(); }
  // Of the chunk's header; offset(count()) is the size. index <= count().
  uint64_t offset(size_t index) const;

  // A run of bytes inside one chunk as stored: its header first (8 bytes), then its data.
  struct Piece {
    size_t chunk = 0;
    uint32_t header_begin = 0, header_end = 0;  // part of the 8-byte header, may be empty
    uint32_t data_begin = 0, data_end = 0;      // part of the chunk's data, may be empty
  };
  // Covers bytes [begin, end) of the xorb in order. end <= size().
  void for_each_piece(uint64_t begin, uint64_t end, const std::function<void(const Piece&)>& visit) const;

  uint32_t length(size_t index) const { return static_cast<uint32_t>(offset(index + 1) - offset(index) - 8); }

 private:
  std::vector<uint64_t> offsets_;
};

}  // namespace lyceum::xet
