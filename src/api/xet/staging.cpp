#include "api/xet/staging.h"

#include <fcntl.h>

#include <cstring>

#include "base/random.h"
#include "xet/plain_xorb.h"

namespace lyceum::api {
namespace {

constexpr std::string_view kMark = "LYXORB01";
constexpr size_t kTailBytes = 4 + 8, kEntryBytes = 32 + 4;
constexpr size_t kBufferBytes = 1 << 20;

// Collects small writes.
class SpoolFile {
 public:
  explicit SpoolFile(fs::path path) : path_(std::move(path)), fd_(open_file(path_, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC)) {}
  ~SpoolFile() {
    std::error_code ignored;
    if (!kept_) fs::remove(path_, ignored);
  }
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;

  void append(Bytes bytes) {
    buffer_.append(as_text(bytes));
    if (buffer_.size() >= kBufferBytes) flush();
  }
  void keep_as(const fs::path& path) {
    flush();
    fsync_file(fd_.get(), path_);
    rename_durable(path_, path);
    kept_ = true;
  }

 private:
  void flush() {
    write_all(fd_.get(), as_bytes(buffer_), path_);
    buffer_.clear();
  }
  fs::path path_;
  UniqueFd fd_;
  std::string buffer_;
  bool kept_ = false;
};

template <typename T>
Bytes bytes_of(const T& value) {
  return {reinterpret_cast<const std::byte*>(&value), sizeof(value)};
}

}  // namespace

StagedXorb::StagedXorb(const fs::path& path) : file_(path) {
  const auto damaged = [&] { return Error(Code::internal, "The staged xorb " + path.string() + " is damaged; remove it and upload again."); };
  const Bytes all = file_.bytes();
  if (all.size() < kTailBytes || as_text(all.last(kMark.size())) != kMark) throw damaged();
  uint32_t count = 0;
  std::memcpy(&count, all.last(kTailBytes).data(), sizeof(count));
  if (count > xet::kXorbChunksMax || all.size() < kTailBytes + count * kEntryBytes) throw damaged();
  Bytes entries = all.last(kTailBytes + count * kEntryBytes).first(count * kEntryBytes);
  uint64_t offset = 0;
  for (; !entries.empty(); entries = entries.subspan(kEntryBytes)) {
    xet::Chunk chunk;
    std::memcpy(chunk.hash.bytes.data(), entries.data(), 32);
    std::memcpy(&chunk.length, entries.data() + 32, 4);
    chunks_.push_back(chunk);
    offsets_.push_back(offset + 8);
    offset += 8 + uint64_t{chunk.length};
  }
  if (offset != all.size() - kTailBytes - count * kEntryBytes) throw damaged();
}

Bytes StagedXorb::chunk(size_t index) const { return file_.bytes().subspan(offsets_.at(index), chunks_.at(index).length); }

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
