#include <algorithm>

#include "api/xet/xet.h"
#include "base/large_file.h"
#include "xet/chunker.h"
#include "xet/xorb.h"

namespace lyceum::api {
namespace {

// Consecutive chunks of the file become xorbs of up to 64 MiB or 8192 chunks.
class BlobIndex {
 public:
  explicit BlobIndex(std::string_view sha256) { file_.sha256 = sha256; }

  void add(const xet::Chunk& chunk) {
    if (!xorb_.empty() && (xorb_.size() == xet::kXorbChunksMax || xorb_bytes_ + chunk.length > xet::kXorbRawBytesMax)) cut();
    places_.emplace_back(xet::to_text(chunk.hash), hub::Hub::ChunkPlace{file_.sha256, file_.size, chunk.length});
    all_.push_back(chunk);
    xorb_.push_back(chunk);
    xorb_bytes_ += chunk.length;
    file_.size += chunk.length;
  }

  void store(hub::Hub& hub) {
    if (!xorb_.empty()) cut();
    file_.file_hash = xet::to_text(xet::file_hash(all_));
    hub.index_xet(file_, places_, xorbs_);
  }

 private:
  void cut() {
    const std::string name = xet::to_text(xet::xorb_hash(xorb_));
    file_.terms.push_back({name, 0, static_cast<uint32_t>(xorb_.size()), xorb_bytes_});
    auto& list = xorbs_[name];
    list.clear();
    for (const xet::Chunk& chunk : xorb_) list.push_back({xet::to_text(chunk.hash), chunk.length});
    xorb_.clear();
    xorb_bytes_ = 0;
  }

  hub::Hub::XetFile file_;
  std::vector<std::pair<std::string, hub::Hub::ChunkPlace>> places_;
  std::map<std::string, std::vector<hub::Hub::XorbChunk>> xorbs_;
  std::vector<xet::Chunk> all_, xorb_;
  uint64_t xorb_bytes_ = 0;
};

}  // namespace

std::optional<std::string> find_xet_hash(hub::Hub& hub, const hub::Repo& repo, std::string_view sha256) {
  const auto file = hub.find_xet_file_by_sha256(sha256);
  if (!file || !hub.repo_has_blob(repo, sha256)) return std::nullopt;
  return file->file_hash;
}

void index_blob(hub::Hub& hub, std::string_view sha256) {
  if (hub.find_xet_file_by_sha256(sha256)) return;
  LargeFileReader blob(hub.blob_path(sha256));
  BlobIndex index(sha256);
  for (uint64_t at = 0; at < blob.size();) {
    const auto length = static_cast<size_t>(std::min<uint64_t>(LargeFileReader::kPieceBytesMax, blob.size() - at));
    const bool to_the_end = at + length == blob.size();
    Bytes rest = blob.read(at, length);
    while (!rest.empty() && (to_the_end || rest.size() >= xet::kChunkBytesMax)) {
      const Bytes chunk = rest.first(xet::first_chunk_length(rest));
      index.add({xet::chunk_hash(chunk), static_cast<uint32_t>(chunk.size())});
      rest = rest.subspan(chunk.size());
      at += chunk.size();
    }
  }
  index.store(hub);
}

}  // namespace lyceum::api
