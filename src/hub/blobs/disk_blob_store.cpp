#include "hub/blobs/disk_blob_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/large_file.h"
#include "base/random.h"

namespace lyceum::hub {
namespace {

// Only a name that is not there means that the blob is not stored. A disk that cannot tell is an error: a client that is told "not stored"
// would give up, or send everything again.
bool is_there(int result, const fs::path& path) {
  if (result == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  throw_errno("look at", path);
}

class DiskBlobWriter final : public BlobWriter {
 public:
  DiskBlobWriter(DiskBlobStore& store, const fs::path& staging)
      : store_(store), path_(staging / ("blob-" + secure_alphanumeric(16))), file_(path_, 0444) {}

  ~DiskBlobWriter() override {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  // The hash comes first: it is slow enough to hide the wait for memory, and leaves the piece in the core's cache for the copy.
  void write(Bytes bytes) override {
    constexpr size_t kPieceBytes = 64u << 10;
    while (!bytes.empty()) {
      const Bytes piece = bytes.first(std::min(bytes.size(), kPieceBytes));
      hasher_.update(piece);
      file_.append(piece);
      bytes = bytes.subspan(piece.size());
    }
  }
  std::span<std::byte> room() override { return file_.room(); }
  void filled(size_t count) override {
    hasher_.update(file_.room().first(count));
    file_.filled(count);
  }

  std::string finish(std::optional<std::string> expected) override {
    const std::string sha256 = hasher_.finish_hex();
    if (expected && *expected != sha256) {
      throw Error(Code::unprocessable, "the uploaded bytes have SHA-256 " + sha256 + ", not " + *expected + "; send the file again");
    }
    const fs::path target = store_.get_path(sha256);
    make_folders_durable(target.parent_path());
    if (store_.keep(sha256)) {
      fsync_folder(target.parent_path());  // an earlier process may have died between rename and fsync
      return sha256;
    }
    file_.finish();
    rename_durable(path_, target);
    path_.clear();
    return sha256;
  }

 private:
  DiskBlobStore& store_;
  fs::path path_;  // empty once the blob is in place
  LargeFileWriter file_;
  Hasher hasher_{Hasher::Kind::sha256};
};

}  // namespace

DiskBlobStore::DiskBlobStore(fs::path blobs, fs::path staging, BlobGuard guard) : blobs_(std::move(blobs)), staging_(std::move(staging)), guard_(std::move(guard)) {
  make_folders_durable(blobs_);
  make_folders_durable(staging_);
}

bool DiskBlobStore::has(std::string_view sha256) const {
  struct stat info {};
  return is_hex(sha256, 64) && is_there(::stat(get_path(sha256).c_str(), &info), get_path(sha256));
}

uint64_t DiskBlobStore::get_size(std::string_view sha256) const {
  struct stat info {};
  if (!is_hex(sha256, 64) || !is_there(::stat(get_path(sha256).c_str(), &info), get_path(sha256))) {
    throw Error(Code::not_found, "no large file with SHA-256 " + std::string(sha256.substr(0, 64)) + " is stored here");
  }
  return static_cast<uint64_t>(info.st_size);
}

std::string DiskBlobStore::load(std::string_view sha256, uint64_t offset, uint64_t length) const {
  const uint64_t size = get_size(sha256);
  if (offset >= size) return {};
  std::string out(std::min(length, size - offset), '\0');
  const fs::path path = get_path(sha256);
  const UniqueFd fd = open_file(path, O_RDONLY);
  for (size_t done = 0; done < out.size();) {
    const ssize_t got = ::pread(fd.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw_errno("read", path);
    done += static_cast<size_t>(got);
  }
  return out;
}

fs::path DiskBlobStore::get_path(std::string_view sha256) const {
  if (!is_hex(sha256, 64)) throw Error(Code::invalid_argument, "a SHA-256 is 64 lower-case hexadecimal digits");
  return blobs_ / sha256.substr(0, 2) / sha256.substr(2, 2) / sha256;
}

std::unique_ptr<BlobWriter> DiskBlobStore::write() { return std::make_unique<DiskBlobWriter>(*this, staging_); }

bool DiskBlobStore::keep(std::string_view sha256) {
  if (!is_hex(sha256, 64)) return false;
  const bool is_young = !guard_ || find_age_ms(sha256).value_or(kSurelyKeptMs) < kSurelyKeptMs;
  const auto guarded = is_young ? nullptr : guard_(sha256);
  const std::lock_guard lock(keep_mutex_);
  return is_there(::utimensat(AT_FDCWD, get_path(sha256).c_str(), nullptr, 0), get_path(sha256));
}

std::optional<int64_t> DiskBlobStore::find_age_ms(std::string_view sha256) const {
  struct stat info {};
  if (!is_hex(sha256, 64) || ::stat(get_path(sha256).c_str(), &info) != 0) return std::nullopt;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return (now.tv_sec - info.st_mtim.tv_sec) * 1000 + (now.tv_nsec - info.st_mtim.tv_nsec) / 1'000'000;
}

bool DiskBlobStore::remove_if_older(std::string_view sha256, int64_t age_ms) {
  const std::lock_guard lock(keep_mutex_);
  const auto age = find_age_ms(sha256);
  return age && *age >= age_ms && ::unlink(get_path(sha256).c_str()) == 0;
}

void DiskBlobStore::for_each(const std::function<void(const std::string&, uint64_t)>& visit) const {
  for (const auto& entry : fs::recursive_directory_iterator(blobs_)) {
    if (entry.is_regular_file()) visit(entry.path().filename().string(), entry.file_size());
  }
}

}  // namespace lyceum::hub
