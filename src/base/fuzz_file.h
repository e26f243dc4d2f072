// fuzz_file.h: bytes as a file, for fuzzers of parsers that take a path. In memory only.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/files.h"

namespace lyceum {

class FuzzFile {
 public:
  explicit FuzzFile(const uint8_t* data, size_t size) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    write_all(fd_.get(), Bytes(reinterpret_cast<const std::byte*>(data), size), "fuzz");
  }
  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }

 private:
  UniqueFd fd_;
};

}  // namespace lyceum
