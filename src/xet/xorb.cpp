#include "xet/xorb.h"

#include <lz4frame.h>

#include <cstring>
#include <utility>

#include "xet/chunker.h"

namespace lyceum::xet {
namespace {

constexpr size_t kHeaderBytes = 8;
constexpr size_t kStoredChunkBytesMax = 2 * kChunkBytesMax;
constexpr size_t kPieceBytes = 256u << 10;  // room for one read at least
constexpr std::string_view kFooterMark = "XETBLOB";

enum class Scheme : uint8_t { none = 0, lz4 = 1, grouped_lz4 = 2 };

[[noreturn]] void refuse(const std::string& why) { throw Error(Code::invalid_argument, "Malformed xorb: " + why + "."); }

uint32_t u24(const std::byte* at) noexcept {
  return std::to_integer<uint32_t>(at[0]) | std::to_integer<uint32_t>(at[1]) << 8 | std::to_integer<uint32_t>(at[2]) << 16;
}

// Undoes the grouping: the input holds all bytes of position 0 modulo 4, then those of 1, 2 and 3.
void ungroup(Bytes grouped, std::span<std::byte> out) noexcept {
  size_t from = 0;
  for (size_t lane = 0; lane < 4; ++lane) {
    for (size_t to = lane; to < out.size(); to += 4) out[to] = grouped[from++];
  }
}

}  // namespace

struct XorbReader::Decoder {
  LZ4F_dctx* context = nullptr;
  std::vector<std::byte> window = std::vector<std::byte>(kHeaderBytes + kStoredChunkBytesMax + kPieceBytes);  // stored bytes read ahead
  std::vector<std::byte> raw = std::vector<std::byte>(kChunkBytesMax);
  std::vector<std::byte> grouped = std::vector<std::byte>(kChunkBytesMax);

  Decoder() {
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) throw Error(Code::internal, "LZ4 has no memory.");
  }
  ~Decoder() { LZ4F_freeDecompressionContext(context); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // One whole frame, no more and no less, of exactly out.size() bytes.
  void decompress(Bytes frame, std::span<std::byte> out) {
    LZ4F_resetDecompressionContext(context);
    size_t consumed = 0, produced = 0;
    while (true) {
      size_t source = frame.size() - consumed, target = out.size() - produced;
      const size_t wanted = LZ4F_decompress(context, out.data() + produced, &target, frame.data() + consumed, &source, nullptr);
      if (LZ4F_isError(wanted)) refuse(std::string("LZ4: ") + LZ4F_getErrorName(wanted));
      consumed += source;
      produced += target;
      if (wanted == 0) break;
      if (source == 0 && target == 0) refuse("an LZ4 frame is cut off or longer than its chunk header says");
    }
    if (consumed != frame.size() || produced != out.size()) refuse("an LZ4 frame disagrees with its chunk header");
  }
};

XorbReader::XorbReader(ReadBytes read) : read_(std::move(read)), decoder_(std::make_unique<Decoder>()) {}
XorbReader::~XorbReader() = default;

std::optional<Bytes> XorbReader::next() {
  if (ended_ || !has_header()) return std::nullopt;
  const Bytes header = take(kHeaderBytes);
  if (std::memcmp(header.data(), kFooterMark.data(), kFooterMark.size()) == 0) {
    skip_footer();
    return std::nullopt;
  }
  const uint32_t stored = u24(&header[1]), raw = u24(&header[5]);
  const auto scheme = static_cast<Scheme>(header[4]);
  if (header[0] != std::byte{0}) refuse("unknown chunk version " + std::to_string(std::to_integer<int>(header[0])));
  if (raw == 0 || raw > kChunkBytesMax || stored == 0 || stored > kStoredChunkBytesMax) refuse("a chunk is empty or too long");
  if (chunks_.size() == kXorbChunksMax) refuse("more than 8192 chunks");
  raw_bytes_ += raw;
  if (raw_bytes_ > kXorbRawBytesMax) refuse("more than 64 MiB of data");
  if (scheme == Scheme::none && stored != raw) refuse("an uncompressed chunk has two lengths");
  if (!fetch(stored)) refuse("it ends inside a chunk");
  const Bytes out = decode(take(stored), static_cast<int>(scheme), raw);
  chunks_.push_back({chunk_hash(out), raw});
  return out;
}

Bytes XorbReader::decode(Bytes stored, int scheme, size_t raw) {
  const std::span<std::byte> out(decoder_->raw.data(), raw);
  switch (static_cast<Scheme>(scheme)) {
    case Scheme::none: return stored;  // where it was read to: no copy
    case Scheme::lz4: decoder_->decompress(stored, out); return out;
    case Scheme::grouped_lz4: {
      const std::span<std::byte> grouped(decoder_->grouped.data(), raw);
      decoder_->decompress(stored, grouped);
      ungroup(grouped, out);
      return out;
    }
  }
  refuse("unknown compression scheme " + std::to_string(scheme));
}

// False at a clean end of the stream.
bool XorbReader::has_header() {
  if (fetch(kHeaderBytes)) return true;
  if (end_ > begin_) refuse("it ends inside a chunk");
  ended_ = true;
  if (chunks_.empty()) refuse("it has no chunks");
  return false;
}

// Reads ahead, in large pieces, until so many bytes are there; false if the stream ends before.
bool XorbReader::fetch(size_t count) {
  std::vector<std::byte>& window = decoder_->window;
  while (end_ - begin_ < count) {
    if (window.size() - end_ < kPieceBytes) {
      std::memmove(window.data(), window.data() + begin_, end_ - begin_);
      end_ -= std::exchange(begin_, 0);
    }
    const size_t got = read_(std::span(window).subspan(end_));
    if (got == 0) return false;
    end_ += got;
    stored_bytes_ += got;
    if (stored_bytes_ > kXorbStoredBytesMax) refuse("it is longer than 65 MiB");
  }
  return true;
}

Bytes XorbReader::take(size_t count) { return Bytes(decoder_->window).subspan(std::exchange(begin_, begin_ + count), count); }

void XorbReader::skip_footer() {
  ended_ = true;
  if (chunks_.empty()) refuse("it has no chunks");
  do begin_ = end_ = 0;
  while (fetch(1));
}

}  // namespace lyceum::xet
