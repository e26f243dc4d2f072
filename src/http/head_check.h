// head_check.h: may these bytes be the head of a request? Stricter than the parser behind it (RFC 9112 sections 2, 3, 5, 6), so that
// no two programs in a row can read one request differently. No socket, no Beast.
#pragma once

#include <cstddef>
#include <string_view>

namespace lyceum::http {

inline constexpr size_t kHeadBytesMax = 64u << 10;
inline constexpr size_t kHeadLineBytesMax = 32u << 10;
inline constexpr size_t kHeadLinesMax = 128;

// head: from the first byte of the request line to the blank line, both included. Error(invalid_argument), or (unsupported) for a
// transfer coding other than chunked, or (too_large), which is answered with 431, for a line too long or too many lines.
void check_head(std::string_view head);

// For bytes that have not reached their blank line yet: can they still become a head? Looks at `bytes` from `from` on. Refuses what
// another protocol sends first, and bare line feeds, at once. Throws as above.
void check_head_so_far(std::string_view bytes, size_t from);

}  // namespace lyceum::http
