// hash.h: SHA-256 and SHA-1 over OpenSSL's EVP (uses SHA-NI where present). Not thread-safe per object.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"

namespace lyceum {

class Hasher {
 public:
  enum class Kind { sha256, sha1 };
  explicit Hasher(Kind kind);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void update(Bytes bytes);
  void update(std::string_view text) { update(as_bytes(text)); }
  std::string finish();      // raw digest (32 or 20 bytes); the object may not be used afterwards
  std::string finish_hex();  // lower-case hex digest

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(Bytes bytes);
std::string sha256_hex(std::string_view text);
std::string sha256_raw(std::string_view text);
std::string hmac_sha256_hex(std::string_view key, std::string_view message);
bool equal_constant_time(std::string_view a, std::string_view b) noexcept;

}  // namespace lyceum
