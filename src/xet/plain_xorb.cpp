#include "xet/plain_xorb.h"

#include <algorithm>

namespace lyceum::xet {
namespace {

constexpr uint64_t kHeader = 8;

}  // namespace

std::array<std::byte, 8> plain_chunk_header(uint32_t length) noexcept {
  const std::byte low{static_cast<uint8_t>(length)}, middle{static_cast<uint8_t>(length >> 8)}, high{static_cast<uint8_t>(length >> 16)};
  return {std::byte{0}, low, middle, high, std::byte{0}, low, middle, high};
}

PlainXorb::PlainXorb(std::span<const uint32_t> chunk_lengths) {
  offsets_.reserve(chunk_lengths.size() + 1);
  offsets_.push_back(0);
  for (const uint32_t length : chunk_lengths) offsets_.push_back(offsets_.back() + kHeader + length);
}

uint64_t PlainXorb::offset(size_t index) const {
  LYCEUM_CHECK(index < offsets_.size(), "chunk index inside the xorb");
  return offsets_[index];
}

void PlainXorb::for_each_piece(uint64_t begin, uint64_t end, const std::function<void(const Piece&)>& visit) const {
  LYCEUM_CHECK(begin <= end && end <= size(), "byte range inside the xorb");
  if (begin == end) return;
  size_t chunk = static_cast<size_t>(std::upper_bound(offsets_.begin(), offsets_.end(), begin) - offsets_.begin()) - 1;
  for (; chunk < count() && offsets_[chunk] < end; ++chunk) {
    const uint64_t from = std::max(begin, offsets_[chunk]) - offsets_[chunk];
    const uint64_t to = std::min(end, offsets_[chunk + 1]) - offsets_[chunk];
    Piece piece;
    piece.chunk = chunk;
    piece.header_begin = static_cast<uint32_t>(std::min(from, kHeader));
    piece.header_end = static_cast<uint32_t>(std::min(to, kHeader));
    piece.data_begin = static_cast<uint32_t>(std::max(from, kHeader) - kHeader);
    piece.data_end = static_cast<uint32_t>(std::max(to, kHeader) - kHeader);
    visit(piece);
  }
}

}  // namespace lyceum::xet
