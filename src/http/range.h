// range.h: the Range header (RFC 9110, section 14).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace lyceum::http {

struct ByteRange {
  uint64_t offset = 0;
  uint64_t length = 0;
};

// The satisfiable ranges, in the order asked for, cut at `size` (which is not 0). Empty: the header is good, but no range of it can be
// satisfied. nullopt: not a byte range, malformed, or more than 4096 ranges: the header is to be ignored.
std::optional<std::vector<ByteRange>> find_ranges(std::string_view header, uint64_t size);

}  // namespace lyceum::http
