// lfs_pointer.h: the text that stands in git for a large file.
// Source: docs/spec.md of git-lfs. Anything over 1023 bytes is not a pointer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lyceum::git {

constexpr size_t kLfsPointerBytesMax = 1023;

struct LfsPointer {
  std::string sha256;
  uint64_t size = 0;
};

std::optional<LfsPointer> find_lfs_pointer(std::string_view text);
std::string format_lfs_pointer(const LfsPointer& pointer);

}  // namespace lyceum::git
