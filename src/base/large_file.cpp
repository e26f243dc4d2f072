#include "base/large_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "base/error.h"

namespace lyceum {
namespace {

constexpr size_t kBufferBytes = DirectBuffer::kBytes;
constexpr size_t kBlockBytes = 4096;                 // of offsets and lengths; enough for every block size in use
constexpr std::align_val_t kAlignment{kBufferBytes};  // one huge page: the kernel pins it in one piece

}  // namespace

void DirectBuffer::Free::operator()(std::byte* memory) const noexcept { ::operator delete(memory, kAlignment); }

std::byte* DirectBuffer::get() {
  if (!memory_) {
    memory_.reset(static_cast<std::byte*>(::operator new(kBytes, kAlignment)));
    ::madvise(memory_.get(), kBytes, MADV_HUGEPAGE);  // a wish
  }
  return memory_.get();
}

LargeFileWriter::LargeFileWriter(fs::path path, unsigned mode) : path_(std::move(path)) {
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  fd_.reset(::open(path_.c_str(), flags | O_DIRECT, mode));
  if (fd_.valid()) return;
  direct_ = false;
  // Some file systems refuse O_DIRECT after they have made the file.
  if (errno == EINVAL) fd_.reset(::open(path_.c_str(), flags & ~O_EXCL, mode));
  if (!fd_.valid()) throw_errno("create", path_);
}

std::span<std::byte> LargeFileWriter::room() { return {buffer_.get() + used_, kBufferBytes - used_}; }

void LargeFileWriter::filled(size_t count) {
  used_ += count;
  if (used_ == kBufferBytes) flush();
}

void LargeFileWriter::append(Bytes bytes) {
  while (!bytes.empty()) {
    const std::span<std::byte> into = room();
    const size_t count = std::min(into.size(), bytes.size());
    std::memcpy(into.data(), bytes.data(), count);
    filled(count);
    bytes = bytes.subspan(count);
  }
}

// A direct write wants whole blocks, so the last piece, and everything after a refusal, goes the usual way.
void LargeFileWriter::flush() {
  size_t done = 0;
  while (direct_ && used_ == kBufferBytes && done < used_) {
    const ssize_t wrote = ::write(fd_.get(), buffer_.get() + done, used_ - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && errno != EINVAL) throw_errno("write", path_);
    if (wrote > 0) done += static_cast<size_t>(wrote);
    if (wrote < 0 || done % kBlockBytes != 0) break;
  }
  if (done < used_) {
    if (direct_ && ::fcntl(fd_.get(), F_SETFL, 0) != 0) throw_errno("write", path_);
    direct_ = false;
    write_all(fd_.get(), {buffer_.get() + done, used_ - done}, path_);
  }
  used_ = 0;
}

void LargeFileWriter::finish() {
  flush();
  fsync_file(fd_.get(), path_);
  fd_.reset();
  buffer_.reset();
}

LargeFileReader::LargeFileReader(fs::path path) : path_(std::move(path)), fd_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT)) {
  if (!fd_.valid()) fd_ = open_file(path_, O_RDONLY | O_CLOEXEC);
  struct stat info {};
  if (::fstat(fd_.get(), &info) != 0) throw_errno("read", path_);
  size_ = static_cast<uint64_t>(info.st_size);
}

Bytes LargeFileReader::read(uint64_t offset, size_t length) {
  LYCEUM_CHECK(length <= kPieceBytesMax, "a piece must fit the buffer wherever it begins");
  if (offset > size_ || length > size_ - offset) throw Error(Code::internal, "The file " + path_.string() + " is shorter than it should be");
  if (offset < begin_ || offset + length > begin_ + filled_) fill(offset);
  return {buffer_.get() + (offset - begin_), length};
}

void LargeFileReader::fill(uint64_t offset) {
  begin_ = offset - offset % kBlockBytes;
  filled_ = 0;
  const size_t wanted = static_cast<size_t>(std::min<uint64_t>(DirectBuffer::kBytes, size_ - begin_));
  while (filled_ < wanted) {
    const ssize_t got = ::pread(fd_.get(), buffer_.get() + filled_, DirectBuffer::kBytes - filled_, static_cast<off_t>(begin_ + filled_));
    if (got < 0 && errno == EINTR) continue;
    // A file system may want more than our alignment, or go on at a place that is no multiple of it.
    if (got < 0 && errno == EINVAL && (::fcntl(fd_.get(), F_GETFL) & O_DIRECT) != 0 && ::fcntl(fd_.get(), F_SETFL, 0) == 0) continue;
    if (got < 0) throw_errno("read", path_);
    if (got == 0) throw Error(Code::internal, "The file " + path_.string() + " became shorter while it was read");
    filled_ += static_cast<size_t>(got);
  }
}

}  // namespace lyceum
