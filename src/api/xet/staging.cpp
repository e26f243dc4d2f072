#include "api/xet/staging.h"

#include <cstring>

#include "base/large_file.h"
#include "base/random.h"
#include "xet/plain_xorb.h"

namespace lyceum::api {
namespace {

constexpr std::string_view kMark = "LYXORB01";
constexpr size_t kTailBytes = 4 + 8, kEntryBytes = 32 + 4;

// Removes what was not kept.
class SpoolFile {
 public:
  explicit SpoolFile(const fs::path& path) : file_(path) {}
  ~SpoolFile() {
    std::error_code ignored;
    if (!kept_) fs::remove(file_.path(), ignored);
  }
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;

  void append(Bytes bytes) { file_.append(bytes); }
  void keep_as(const fs::path& path) {
    file_.finish();
    rename_durable(file_.path(), path);
    kept_ = true;
  }

 private:
  LargeFileWriter file_;
  bool kept_ = false;
};

template <typename T>
Bytes bytes_of(const T& value) {
  return {reinterpret_cast<const std::byte*>(&value), sizeof(value)};
}

}  // namespace

StagedXorb::StagedXorb(const fs::path& path) : file_(path) {
  const auto damaged = [&] { return Error(Code::internal, "The staged xorb " + path.string() + " is damaged; remove it and upload again."); };
  const uint64_t size = file_.size();
  if (size < kTailBytes) throw damaged();
  const Bytes tail = file_.read(size - kTailBytes, kTailBytes);
  uint32_t count = 0;
  std::memcpy(&count, tail.data(), sizeof(count));
  const size_t index_bytes = count * kEntryBytes;
  if (as_text(tail.last(kMark.size())) != kMark || count > xet::kXorbChunksMax || size < kTailBytes + index_bytes) throw damaged();
  Bytes entries = file_.read(size - kTailBytes - index_bytes, index_bytes);
  uint64_t offset = 0;
  for (; !entries.empty(); entries = entries.subspan(kEntryBytes)) {
    xet::Chunk chunk;
    std::memcpy(chunk.hash.bytes.data(), entries.data(), 32);
    std::memcpy(&chunk.length, entries.data() + 32, 4);
    chunks_.push_back(chunk);
    offsets_.push_back(offset + 8);
    offset += 8 + uint64_t{chunk.length};
  }
  if (offset != size - kTailBytes - index_bytes) throw damaged();
}

Bytes StagedXorb::chunk(size_t index) { return file_.read(offsets_.at(index), chunks_.at(index).length); }

Staging::Staging(const hub::Hub& hub) : folder_(hub.shared_folder() / "staging" / "xorbs") {}

fs::path Staging::path_of(const xet::Hash& hash) const { return folder_ / (xet::to_text(hash) + ".xorb"); }

void Staging::receive(const xet::Hash& hash, xet::ReadBytes read) {
  make_folders_durable(folder_);
  SpoolFile spool(folder_ / ("receiving-" + secure_alphanumeric(16)));
  xet::XorbReader reader(std::move(read));
  while (const auto chunk = reader.next()) {
    spool.append(xet::plain_chunk_header(static_cast<uint32_t>(chunk->size())));
    spool.append(*chunk);
  }
  if (xet::xorb_hash(reader.chunks()) != hash) throw Error(Code::invalid_argument, "The xorb's content does not have the hash " + xet::to_text(hash) + ".");
  for (const xet::Chunk& chunk : reader.chunks()) {
    spool.append(chunk.hash.bytes);
    spool.append(bytes_of(chunk.length));
  }
  spool.append(bytes_of(static_cast<uint32_t>(reader.chunks().size())));
  spool.append(as_bytes(kMark));
  spool.keep_as(path_of(hash));
}

bool Staging::has(const xet::Hash& hash) const { return fs::exists(path_of(hash)); }

std::unique_ptr<StagedXorb> Staging::find(const xet::Hash& hash) const {
  const fs::path path = path_of(hash);
  return fs::exists(path) ? std::make_unique<StagedXorb>(path) : nullptr;
}

void Staging::remove(const xet::Hash& hash) {
  std::error_code ignored;
  fs::remove(path_of(hash), ignored);
}

void Staging::keep_longer(const xet::Hash& hash) {
  std::error_code ignored;
  fs::last_write_time(path_of(hash), fs::file_time_type::clock::now(), ignored);
}

size_t Staging::remove_older_than(int64_t lifetime_ms) {
  size_t removed = 0;
  std::error_code error;
  const auto limit = fs::file_time_type::clock::now() - std::chrono::milliseconds(lifetime_ms);
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    const auto written = fs::last_write_time(at->path(), ignored);
    if (!ignored && written < limit && fs::remove(at->path(), ignored)) ++removed;
  }
  return removed;
}

}  // namespace lyceum::api
