// large_file.h: files written once and read once, past the page cache where the file system can (O_DIRECT): a model of many gigabytes that
// comes in costs copies less and does not push out of memory what is being served. Not for many threads.
#pragma once

#include <memory>
#include <span>

#include "base/files.h"

namespace lyceum {

// Memory for direct reads and writes: aligned, made with the first byte.
class DirectBuffer {
 public:
  static constexpr size_t kBytes = 2u << 20;
  std::byte* get();
  void reset() noexcept { memory_.reset(); }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept;
  };
  std::unique_ptr<std::byte[], Free> memory_;
};

// A new file, from its beginning to its end. One that is not finished is left to the caller to remove.
class LargeFileWriter {
 public:
  explicit LargeFileWriter(fs::path path, unsigned mode = 0644);  // Error if it exists

  // Where the next bytes may be put without a copy: never empty, valid until the next call of anything.
  std::span<std::byte> room();
  void filled(size_t count);       // so many of room() are the file's next bytes
  void append(Bytes bytes);
  void finish();                   // writes what is left, fsync, closes
  const fs::path& path() const noexcept { return path_; }

 private:
  void flush();

  fs::path path_;
  UniqueFd fd_;
  bool direct_ = true;
  DirectBuffer buffer_;
  size_t used_ = 0;
};

// Pieces of a file that mostly follow one another.
class LargeFileReader {
 public:
  static constexpr size_t kPieceBytesMax = 1u << 20;

  explicit LargeFileReader(fs::path path);
  uint64_t size() const noexcept { return size_; }
  // Bytes [offset, offset + length) of the file, length <= kPieceBytesMax; valid until the next call. Error(internal) past its end.
  Bytes read(uint64_t offset, size_t length);

 private:
  void fill(uint64_t offset);

  fs::path path_;
  UniqueFd fd_;
  uint64_t size_ = 0;
  DirectBuffer buffer_;
  uint64_t begin_ = 0;   // what buffer_ holds
  size_t filled_ = 0;
};

}  // namespace lyceum
