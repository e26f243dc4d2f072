#include "git/oid.h"

#include "base/bytes.h"

namespace lyceum::git {

std::string Oid::hex() const { return to_hex({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}); }

std::optional<Oid> find_oid(std::string_view hex) {
  if (!is_hex(hex, 40)) return std::nullopt;
  return oid_from_raw(find_from_hex(hex)->data());
}

Oid oid_from_raw(const void* twenty_bytes) noexcept {
  Oid oid;
  std::memcpy(oid.bytes.data(), twenty_bytes, oid.bytes.size());
  return oid;
}

}  // namespace lyceum::git
