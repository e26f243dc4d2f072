#include "api/xet/register_shard.h"

#include <algorithm>
#include <map>

#include "api/xet/chunk_source.h"
#include "base/files.h"

namespace lyceum::api {
namespace {

constexpr uint64_t kFileBytesMax = 1ULL << 40;
constexpr uint64_t kDiskReserveBytes = 1ULL << 28;

[[noreturn]] void refuse(const xet::ShardFile& file, const std::string& why) {
  throw Error(Code::invalid_argument, "The file " + xet::to_text(file.hash) + " of the shard " + why + ".");
}

uint64_t file_size(const xet::ShardFile& file) {
  uint64_t size = 0;
  for (const xet::ShardTerm& term : file.terms) size += term.length;
  return size;
}

class Registration {
 public:
  Registration(hub::Hub& hub, const hub::Repo& repo, const std::function<void(const ShardProgress&)>& progress)
      : hub_(hub), repo_(repo), source_(hub), on_progress_(progress) {}

  bool run(const xet::Shard& shard) {
    for (const xet::ShardFile& file : shard.files) {
      require_sane(file);
      progress_.bytes_total += file_size(file);
    }
    bool fresh = false;
    for (const xet::ShardFile& file : shard.files) fresh |= add(file);
    for (const xet::ShardXorb& xorb : shard.xorbs) touched_[xorb.hash];
    for (const auto& [xorb, placed] : touched_) drop_if_placed(xorb, placed);
    return fresh;
  }

 private:
  void require_sane(const xet::ShardFile& file) const {
    if (file.terms.empty()) refuse(file, "has no content");
    // Whoever names chunks must show that they know them: this is what keeps one from reading another's data by its hash.
    if (file.term_hashes.size() != file.terms.size()) refuse(file, "lacks its verification hashes");
    if (file_size(file) > kFileBytesMax) refuse(file, "is larger than 1 TiB");
  }

  bool add(const xet::ShardFile& file) {
    const std::vector<xet::Chunk> chunks = verify(file);
    const std::string hash = xet::to_text(file.hash);
    if (const auto known = hub_.find_xet_file(hash); known && hub_.has_blob(known->sha256)) {
      if (file.sha256 && *file.sha256 != known->sha256) refuse(file, "has the SHA-256 " + known->sha256 + ", not " + *file.sha256);
      hub_.link_blob(repo_, known->sha256);
      advance(known->size);
      return false;
    }
    const std::string sha256 = write(file);
    hub_.link_blob(repo_, sha256);
    index(file, chunks, sha256);
    return true;
  }

  // Reads no content: the chunk hashes are known from when the xorbs came.
  std::vector<xet::Chunk> verify(const xet::ShardFile& file) {
    std::vector<xet::Chunk> all;
    std::vector<xet::Hash> hashes;
    for (size_t i = 0; i < file.terms.size(); ++i) {
      const xet::ShardTerm& term = file.terms[i];
      const auto& chunks = source_.chunks(term.xorb);
      if (term.chunk_end > chunks.size()) refuse(file, "names a chunk that its xorb does not have");
      uint64_t length = 0;
      hashes.clear();
      for (uint32_t at = term.chunk_begin; at < term.chunk_end; ++at) {
        all.push_back(chunks[at]);
        hashes.push_back(chunks[at].hash);
        length += chunks[at].length;
      }
      if (length != term.length) refuse(file, "states a wrong length for a term");
      if (xet::term_hash(hashes) != file.term_hashes[i]) refuse(file, "has a wrong verification hash");
    }
    if (xet::file_hash(all) != file.hash) refuse(file, "does not have that hash");
    return all;
  }

  std::string write(const xet::ShardFile& file) {
    const uint64_t size = file_size(file);
    if (fs::space(hub_.data_folder()).available < size + kDiskReserveBytes)
      throw Error(Code::storage_full, "The disk has no room for a file of " + std::to_string(size) + " bytes; free some space and upload again.");
    const auto writer = hub_.write_blob();
    for (const xet::ShardTerm& term : file.terms) {
      for (uint32_t at = term.chunk_begin; at < term.chunk_end; ++at) {
        const Bytes bytes = source_.read(term.xorb, at);
        writer->write(bytes);
        advance(bytes.size());
      }
    }
    return writer->finish(file.sha256);
  }

  void index(const xet::ShardFile& file, const std::vector<xet::Chunk>& chunks, const std::string& sha256) {
    hub::Hub::XetFile entry{xet::to_text(file.hash), sha256, file_size(file), {}};
    std::map<std::string, std::vector<hub::Hub::XorbChunk>> xorbs;
    for (const xet::ShardTerm& term : file.terms) {
      const std::string name = xet::to_text(term.xorb);
      entry.terms.push_back({name, term.chunk_begin, term.chunk_end, term.length});
      const std::vector<xet::Chunk>& known = source_.chunks(term.xorb);
      std::vector<bool>& placed = touched_[term.xorb];
      placed.resize(known.size());
      std::fill(placed.begin() + term.chunk_begin, placed.begin() + term.chunk_end, true);
      auto& list = xorbs[name];
      if (!list.empty()) continue;
      for (const xet::Chunk& chunk : known) list.push_back({xet::to_text(chunk.hash), chunk.length});
    }
    std::vector<std::pair<std::string, hub::Hub::ChunkPlace>> places;
    places.reserve(chunks.size());
    uint64_t offset = 0;
    for (const xet::Chunk& chunk : chunks) {
      places.emplace_back(xet::to_text(chunk.hash), hub::Hub::ChunkPlace{sha256, offset, chunk.length});
      offset += chunk.length;
    }
    hub_.index_xet(entry, places, xorbs);
  }

  // A staged xorb may go once every chunk of it can be read out of some file; one that holds chunks of files still to come waits.
  void drop_if_placed(const xet::Hash& xorb, const std::vector<bool>& placed) {
    Staging staging(hub_);
    const auto staged = staging.find(xorb);
    if (!staged) return;
    for (size_t i = 0; i < staged->chunks().size(); ++i) {
      const bool is_placed = i < placed.size() && placed[i];
      if (!is_placed && !hub_.find_chunk(xet::to_text(staged->chunks()[i].hash))) return;
    }
    staging.remove(xorb);
  }

  void advance(uint64_t bytes) {
    progress_.bytes_done += bytes;
    on_progress_(progress_);
  }

  hub::Hub& hub_;
  const hub::Repo& repo_;
  ChunkSource source_;
  const std::function<void(const ShardProgress&)>& on_progress_;
  ShardProgress progress_;
  std::map<xet::Hash, std::vector<bool>> touched_;  // xorbs that the shard names: which of their chunks it has given a place
};

}  // namespace

bool register_shard(hub::Hub& hub, const hub::Repo& repo, const xet::Shard& shard, const std::function<void(const ShardProgress&)>& progress) {
  return Registration(hub, repo, progress).run(shard);
}

}  // namespace lyceum::api
