// files.h: file descriptors, memory maps and durable writes. Every failure is an Error that names the path;
// a full disk (ENOSPC, EDQUOT) becomes Code::storage_full.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace lyceum {

namespace fs = std::filesystem;

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~UniqueFd() { reset(); }
  int get() const noexcept { return fd_; }
  bool valid() const noexcept { return fd_ >= 0; }
  int release() noexcept {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd = -1) noexcept;

 private:
  int fd_ = -1;
};

// A read-only map of a whole file. The bytes live as long as the object. Zero-length files are valid.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  Bytes bytes() const noexcept { return {data_, size_}; }
  const fs::path& path() const noexcept { return path_; }

 private:
  fs::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

UniqueFd open_file(const fs::path& path, int flags, unsigned mode = 0644);
std::string read_file(const fs::path& path, uint64_t limit_bytes = 1ULL << 30);
void write_all(int fd, Bytes bytes, const fs::path& path_for_errors);
void fsync_file(int fd, const fs::path& path_for_errors);
void fsync_folder(const fs::path& folder);

// Writes beside the target, fsyncs, renames over it and fsyncs the folder: after return the content is durable,
// and no reader ever sees a part of it. Creates the parent folders.
void write_file_durable(const fs::path& path, std::string_view content);
// rename(2) + fsync of both folders.
void rename_durable(const fs::path& from, const fs::path& to);
void make_folders_durable(const fs::path& folder);

std::string sha256_file_hex(const fs::path& path);

[[noreturn]] void throw_errno(const std::string& action, const fs::path& path);

// A folder removed with everything in it when the object dies. For tests and staging.
class TempFolder {
 public:
  explicit TempFolder(const fs::path& parent = fs::temp_directory_path(), const std::string& prefix = "lyceum-");
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const fs::path& path() const noexcept { return path_; }

 private:
  fs::path path_;
};

}  // namespace lyceum
