// base64url.h: base64 with the alphabet for addresses and without padding (RFC 4648, 5), as in signed links, PKCE and JSON Web Tokens.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace lyceum {

inline std::string to_base64url(std::string_view bytes) {
  std::string out = to_base64(as_bytes(bytes));
  while (out.ends_with('=')) out.pop_back();
  std::replace(out.begin(), out.end(), '+', '-');
  std::replace(out.begin(), out.end(), '/', '_');
  return out;
}

inline std::optional<std::string> find_from_base64url(std::string_view text) {
  std::string standard(text);
  std::replace(standard.begin(), standard.end(), '-', '+');
  std::replace(standard.begin(), standard.end(), '_', '/');
  while (standard.size() % 4 != 0) standard += '=';
  return find_from_base64(standard);
}

}  // namespace lyceum
