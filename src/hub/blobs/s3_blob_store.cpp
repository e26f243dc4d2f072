#include "hub/blobs/s3_blob_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"

namespace lyceum::hub {
namespace {

constexpr std::string_view kFolder = "blobs/";
constexpr std::string_view kUses = "uses/";
constexpr int64_t kLinkLifetimeS = 3600;
constexpr int64_t kKnownMs = 60'000;  // another hub may have removed an object since
constexpr size_t kKnownMax = 100'000;
constexpr auto kInUse = std::chrono::minutes(10);  // a copy that was used since then is not removed
constexpr uint64_t kPieceBytes = 8u << 20;

std::string key_of(const std::string& prefix, std::string_view sha256) { return prefix + std::string(kFolder) + std::string(sha256); }

std::string use_of(const std::string& prefix, std::string_view sha256) { return prefix + std::string(kUses) + std::string(sha256); }

int64_t wall_ms() { return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count(); }

int64_t steady_ms() { return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Error not_stored(std::string_view sha256) {
  return {Code::not_found, "no large file with SHA-256 " + std::string(sha256.substr(0, 64)) + " is stored here"};
}

}  // namespace

class S3BlobWriter final : public BlobWriter {
 public:
  explicit S3BlobWriter(S3BlobStore& store)
      : store_(store), path_(store.staging_ / ("blob-" + secure_alphanumeric(16))), fd_(open_file(path_, O_WRONLY | O_CREAT | O_EXCL, 0444)) {}

  ~S3BlobWriter() override {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  void write(Bytes bytes) override {
    write_all(fd_.get(), bytes, path_);
    hasher_.update(bytes);
    size_ += bytes.size();
  }
  std::span<std::byte> room() override {
    room_.resize(kRoomBytes);
    return room_;
  }
  void filled(size_t count) override { write(std::span(room_).first(count)); }

  std::string finish(std::optional<std::string> expected) override {
    const std::string sha256 = hasher_.finish_hex();
    if (expected && *expected != sha256) {
      throw Error(Code::unprocessable, "the uploaded bytes have SHA-256 " + sha256 + ", not " + *expected + "; send the file again");
    }
    const bool is_flushed = ::fsync(fd_.get()) == 0;  // a local copy that a power cut could empty must not get its name
    fd_.reset();
    const std::string key = key_of(store_.options_.prefix, sha256);
    const bool is_stored = store_.client_.find_size(key) == size_ && store_.keep(sha256);
    if (!is_stored) {
      store_.client_.put_file(key, path_, size_, sha256);
      store_.note_kept(sha256);
    }
    if (is_flushed) keep_copy(sha256);
    return sha256;
  }

 private:
  // The object is durable; the local copy is only a convenience, and a full disk here is no failure of the upload.
  void keep_copy(const std::string& sha256) {
    std::error_code error;
    const fs::path target = store_.copy_path(sha256);
    fs::create_directories(target.parent_path(), error);
    fs::rename(path_, target, error);
    if (error) return;
    path_.clear();
    store_.trust(sha256);
    store_.make_room();
  }

  static constexpr size_t kRoomBytes = 256u << 10;

  S3BlobStore& store_;
  fs::path path_;  // empty once it is the local copy
  UniqueFd fd_;
  std::vector<std::byte> room_;
  Hasher hasher_{Hasher::Kind::sha256};
  uint64_t size_ = 0;
};

S3BlobStore::S3BlobStore(const S3Options& options, fs::path cache, fs::path staging, BlobGuard guard)
    : options_(options), cache_(std::move(cache)), staging_(std::move(staging)), client_(options), guard_(std::move(guard)) {
  make_folders_durable(cache_);
  make_folders_durable(staging_);
  client_.check_bucket();
}

fs::path S3BlobStore::copy_path(std::string_view sha256) const {
  if (!is_hex(sha256, 64)) throw Error(Code::invalid_argument, "a SHA-256 is 64 lower-case hexadecimal digits");
  return cache_ / sha256.substr(0, 2) / sha256;
}

void S3BlobStore::note_kept(const std::string& sha256) {
  const std::lock_guard lock(mutex_);
  if (kept_.size() >= kKnownMax) kept_.clear();
  kept_[sha256] = steady_ms() + kSurelyKeptMs;
}

// Under the guard, so that a collection either sees the mark or has removed the object before we look.
bool S3BlobStore::keep(std::string_view sha256) {
  if (!is_hex(sha256, 64)) return false;
  const std::string name(sha256);
  {
    const std::lock_guard lock(mutex_);
    const auto found = kept_.find(name);
    if (found != kept_.end() && found->second > steady_ms()) return true;
  }
  const auto guarded = guard_ ? guard_(sha256) : nullptr;
  if (!client_.find_size(key_of(options_.prefix, sha256))) {
    const std::lock_guard lock(mutex_);
    known_.erase(name);
    return false;
  }
  client_.put_text(use_of(options_.prefix, sha256), "in use\n");
  note_kept(name);
  return true;
}

std::optional<int64_t> S3BlobStore::find_age_ms(std::string_view sha256) const {
  if (!is_hex(sha256, 64)) return std::nullopt;
  const auto received = client_.find_modified_ms(key_of(options_.prefix, sha256));
  if (!received) return std::nullopt;
  const auto used = client_.find_modified_ms(use_of(options_.prefix, sha256));
  return wall_ms() - std::max(*received, used.value_or(0));
}

bool S3BlobStore::remove_if_older(std::string_view sha256, int64_t age_ms) {
  const auto age = find_age_ms(sha256);
  if (!age || *age < age_ms) return false;
  client_.remove(key_of(options_.prefix, sha256));
  client_.remove(use_of(options_.prefix, sha256));
  std::error_code ignored;
  fs::remove(copy_path(sha256), ignored);
  const std::lock_guard lock(mutex_);
  known_.erase(std::string(sha256));
  kept_.erase(std::string(sha256));
  return true;
}

void S3BlobStore::trust(const std::string& sha256) const {
  const std::lock_guard lock(mutex_);
  if (trusted_.size() >= kKnownMax) trusted_.clear();
  trusted_.insert(sha256);
}

// A copy of an earlier process is looked at once: earlier versions did not flush their copies, and a disk may have been full.
void S3BlobStore::check_copy(const std::string& sha256, const fs::path& path) const {
  {
    const std::lock_guard lock(mutex_);
    if (trusted_.contains(sha256)) return;
  }
  std::error_code absent;
  const uintmax_t size = fs::file_size(path, absent);
  if (!absent && size != get_size(sha256)) fs::remove(path);
  trust(sha256);
}

bool S3BlobStore::use_copy(const fs::path& path) const { return ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0; }

std::optional<uint64_t> S3BlobStore::find_size(std::string_view sha256) const {
  if (!is_hex(sha256, 64)) return std::nullopt;
  {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(sha256);
    if (found != known_.end() && found->second.until_ms > steady_ms()) return found->second.size;
  }
  const auto size = client_.find_size(key_of(options_.prefix, sha256));
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kKnownMax) known_.clear();
  if (size) known_[std::string(sha256)] = {*size, steady_ms() + kKnownMs};
  else known_.erase(std::string(sha256));
  return size;
}

bool S3BlobStore::has(std::string_view sha256) const { return find_size(sha256).has_value(); }

uint64_t S3BlobStore::get_size(std::string_view sha256) const {
  const auto size = find_size(sha256);
  if (!size) throw not_stored(sha256);
  return *size;
}

std::string S3BlobStore::load(std::string_view sha256, uint64_t offset, uint64_t length) const {
  const uint64_t size = get_size(sha256);
  if (offset >= size) return {};
  length = std::min(length, size - offset);
  std::string out;
  out.reserve(length);
  client_.get(key_of(options_.prefix, sha256), offset, length, [&](Bytes bytes) { out.append(as_text(bytes)); });
  return out;
}

std::string S3BlobStore::hash_content(std::string_view sha256) const {
  Hasher hasher(Hasher::Kind::sha256);
  const uint64_t size = get_size(sha256);
  for (uint64_t offset = 0; offset < size; offset += kPieceBytes) {
    client_.get(key_of(options_.prefix, sha256), offset, std::min(kPieceBytes, size - offset), [&](Bytes bytes) { hasher.update(bytes); });
  }
  return hasher.finish_hex();
}

std::string S3BlobStore::find_url(std::string_view sha256, const std::string& disposition, const std::string& type) const {
  if (!options_.redirect) return {};
  std::map<std::string, std::string> query;
  if (!disposition.empty()) query["response-content-disposition"] = disposition;
  if (!type.empty()) query["response-content-type"] = type;
  return client_.presigned_url(key_of(options_.prefix, sha256), kLinkLifetimeS, query);
}

// One thread fetches a blob; others that want it wait for that one.
fs::path S3BlobStore::get_path(std::string_view sha256) const {
  const fs::path path = copy_path(sha256);
  const std::string name(sha256);
  check_copy(name, path);
  while (!use_copy(path)) {
    std::unique_lock lock(mutex_);
    if (!fetching_.insert(name).second) {
      fetched_.wait(lock, [&] { return !fetching_.contains(name); });
      continue;
    }
    lock.unlock();
    std::exception_ptr error;
    try {
      fetch(sha256, path);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    fetching_.erase(name);
    lock.unlock();
    fetched_.notify_all();
    if (error) std::rethrow_exception(error);
  }
  return path;
}

void S3BlobStore::fetch(std::string_view sha256, const fs::path& target) const {
  const uint64_t size = get_size(sha256);
  const fs::path staged = staging_ / ("fetch-" + secure_alphanumeric(16));
  try {
    const UniqueFd fd = open_file(staged, O_WRONLY | O_CREAT | O_EXCL, 0444);
    Hasher hasher(Hasher::Kind::sha256);
    client_.get(key_of(options_.prefix, sha256), 0, size, [&](Bytes bytes) {
      write_all(fd.get(), bytes, staged);
      hasher.update(bytes);
    });
    if (hasher.finish_hex() != sha256) throw Error(Code::internal, "the S3 store holds other bytes under " + key_of(options_.prefix, sha256) + " than its name says; run `lyceum fsck`");
    fsync_file(fd.get(), staged);
    fs::create_directories(target.parent_path());
    fs::rename(staged, target);
  } catch (...) {
    ::unlink(staged.c_str());
    throw;
  }
  make_room();
}

void S3BlobStore::make_room() const {
  struct Copy {
    fs::file_time_type used;
    uint64_t size;
    fs::path path;
  };
  std::vector<Copy> copies;
  uint64_t total = 0;
  std::error_code ignored;
  for (const auto& entry : fs::recursive_directory_iterator(cache_, ignored)) {
    if (!entry.is_regular_file(ignored)) continue;
    copies.push_back({entry.last_write_time(ignored), entry.file_size(ignored), entry.path()});
    total += copies.back().size;
  }
  if (total <= options_.cache_bytes) return;
  std::sort(copies.begin(), copies.end(), [](const Copy& a, const Copy& b) { return a.used < b.used; });
  const auto in_use = fs::file_time_type::clock::now() - kInUse;
  for (const Copy& copy : copies) {
    if (total <= options_.cache_bytes || copy.used > in_use) break;
    if (fs::remove(copy.path, ignored)) total -= copy.size;
  }
}

std::unique_ptr<BlobWriter> S3BlobStore::write() { return std::make_unique<S3BlobWriter>(*this); }

void S3BlobStore::for_each(const std::function<void(const std::string&, uint64_t)>& visit) const {
  const std::string folder = options_.prefix + std::string(kFolder);
  std::string next;
  do {
    const S3Page page = client_.list(folder, next);
    for (const S3Item& item : page.items) visit(item.key.substr(std::min(folder.size(), item.key.size())), item.size);
    next = page.next;
  } while (!next.empty());
}

}  // namespace lyceum::hub
