#include "api/xet/chunk_source.h"

#include <algorithm>

namespace lyceum::api {
namespace {

constexpr size_t kOpenMax = 8;

Error unknown_xorb(const xet::Hash& hash) {
  return Error(Code::invalid_argument, "The xorb " + xet::to_text(hash) +
                                           " is not stored here: an unfinished upload is kept for three weeks. Remove the client's shard cache (HF_XET_CACHE, by "
                                           "default ~/.cache/huggingface/xet) and upload again.");
}

}  // namespace

const std::vector<xet::Chunk>& ChunkSource::chunks(const xet::Hash& xorb) { return open(xorb).chunks; }

Bytes ChunkSource::read(const xet::Hash& xorb, size_t index) {
  const OpenXorb& source = open(xorb);
  return source.staged ? source.staged->chunk(index) : read_placed(source.chunks.at(index));
}

ChunkSource::OpenXorb& ChunkSource::open(const xet::Hash& xorb) {
  const auto known = std::find_if(xorbs_.begin(), xorbs_.end(), [&](const OpenXorb& open) { return open.hash == xorb; });
  if (known != xorbs_.end()) {
    xorbs_.splice(xorbs_.begin(), xorbs_, known);
    return xorbs_.front();
  }
  OpenXorb fresh;
  fresh.hash = xorb;
  fresh.staged = staging_.find(xorb);
  if (fresh.staged) {
    fresh.chunks = fresh.staged->chunks();
  } else {
    const auto indexed = hub_.find_xorb(xet::to_text(xorb));
    if (!indexed) throw unknown_xorb(xorb);
    for (const auto& chunk : *indexed) fresh.chunks.push_back({xet::find_from_text(chunk.hash).value(), chunk.length});
  }
  if (xorbs_.size() == kOpenMax) xorbs_.pop_back();
  xorbs_.push_front(std::move(fresh));
  return xorbs_.front();
}

Bytes ChunkSource::read_placed(const xet::Chunk& chunk) {
  const auto place = hub_.find_chunk(xet::to_text(chunk.hash));
  if (!place) throw Error(Code::invalid_argument, "The chunk " + xet::to_text(chunk.hash) + " is not stored here; upload its xorb first.");
  auto known = std::find_if(blobs_.begin(), blobs_.end(), [&](const auto& blob) { return blob.first == place->sha256; });
  if (known == blobs_.end()) {
    if (blobs_.size() == kOpenMax) blobs_.pop_back();
    blobs_.emplace_front(place->sha256, std::make_unique<MappedFile>(hub_.blob_path(place->sha256)));
    known = blobs_.begin();
  }
  blobs_.splice(blobs_.begin(), blobs_, known);
  const Bytes file = blobs_.front().second->bytes();
  const bool inside = place->offset <= file.size() && place->length <= file.size() - place->offset;
  const Bytes bytes = inside ? file.subspan(place->offset, place->length) : Bytes{};
  if (bytes.size() != chunk.length || xet::chunk_hash(bytes) != chunk.hash)
    throw Error(Code::internal, "The stored file " + place->sha256 + " is damaged at byte " + std::to_string(place->offset) + "; run lyceum fsck.");
  return bytes;
}

}  // namespace lyceum::api
