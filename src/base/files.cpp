#include "base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/hash.h"
#include "base/random.h"

namespace lyceum {

void throw_errno(const std::string& action, const fs::path& path) {
  const int error = errno;
  Code code = Code::internal;
  std::string hint;
  if (error == ENOSPC || error == EDQUOT) {
    code = Code::storage_full;
    hint = "; free some space and try again";
  } else if (error == ENOENT) {
    code = Code::not_found;
  } else if (error == EACCES || error == EPERM) {
    code = Code::forbidden;
  } else if (error == EROFS) {
    code = Code::unavailable;  // what ext4 becomes when its disk fails; no fault of the caller's rights
    hint = "; the disk may have failed: look at the kernel's log";
  }
  throw Error(code, "cannot " + action + " " + path.string() + ": " + std::strerror(error) + hint);
}

void UniqueFd::reset(int fd) noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

UniqueFd open_file(const fs::path& path, int flags, unsigned mode) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) throw_errno("open", path);
  return UniqueFd(fd);
}

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  const UniqueFd fd = open_file(path, O_RDONLY);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) throw_errno("stat", path);
  if (!S_ISREG(info.st_mode)) throw Error(Code::invalid_argument, path.string() + " is not a regular file");
  size_ = static_cast<size_t>(info.st_size);
  if (size_ == 0) return;
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (address == MAP_FAILED) throw_errno("map", path);
  data_ = static_cast<const std::byte*>(address);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

std::string read_file(const fs::path& path, uint64_t limit_bytes) {
  const UniqueFd fd = open_file(path, O_RDONLY);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) throw_errno("stat", path);
  std::string out;
  if (info.st_size > 0) out.reserve(static_cast<size_t>(info.st_size));
  char buffer[65536];
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno("read", path);
    if (got == 0) return out;
    out.append(buffer, static_cast<size_t>(got));
    if (out.size() > limit_bytes) {
      throw Error(Code::too_large, path.string() + " is larger than the limit of " + std::to_string(limit_bytes) + " bytes");
    }
  }
}

void write_all(int fd, Bytes bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_errno("write", path);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void fsync_file(int fd, const fs::path& path) {
  if (::fsync(fd) != 0) throw_errno("fsync", path);
}

void fsync_folder(const fs::path& folder) {
  const UniqueFd fd = open_file(folder, O_RDONLY | O_DIRECTORY);
  fsync_file(fd.get(), folder);
}

void make_folders_durable(const fs::path& folder) {
  if (folder.empty() || fs::is_directory(folder)) return;
  make_folders_durable(folder.parent_path());
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) throw_errno("create folder", folder);
  fsync_folder(folder.has_parent_path() ? folder.parent_path() : fs::path("."));
}

void rename_durable(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw_errno("rename to", to);
  fsync_folder(to.parent_path());
  if (from.parent_path() != to.parent_path()) fsync_folder(from.parent_path());
}

void write_file_durable(const fs::path& target, std::string_view content) {
  const fs::path path = fs::absolute(target);
  make_folders_durable(path.parent_path());
  const fs::path temporary = path.string() + ".tmp-" + secure_alphanumeric(8);
  try {
    const UniqueFd fd = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL);
    write_all(fd.get(), as_bytes(content), temporary);
    fsync_file(fd.get(), temporary);
    rename_durable(temporary, path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

std::string sha256_file_hex(const fs::path& path) {
  const UniqueFd fd = open_file(path, O_RDONLY);
  Hasher hasher(Hasher::Kind::sha256);
  std::vector<std::byte> buffer(1 << 20);
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno("read", path);
    if (got == 0) return hasher.finish_hex();
    hasher.update(Bytes(buffer.data(), static_cast<size_t>(got)));
  }
}

TempFolder::TempFolder(const fs::path& parent, const std::string& prefix)
    : path_(parent / (prefix + secure_alphanumeric(12))) {
  fs::create_directories(path_);
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace lyceum
