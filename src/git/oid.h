// oid.h: a git object id (SHA-1, 20 bytes).
#pragma once

#include <array>
#include <compare>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace lyceum::git {

struct Oid {
  std::array<unsigned char, 20> bytes{};

  std::string hex() const;
  bool is_zero() const noexcept { return *this == Oid{}; }
  auto operator<=>(const Oid&) const = default;
};

std::optional<Oid> find_oid(std::string_view hex);  // nullopt unless exactly 40 lower-case hex digits
Oid oid_from_raw(const void* twenty_bytes) noexcept;

}  // namespace lyceum::git

template <>
struct std::hash<lyceum::git::Oid> {
  size_t operator()(const lyceum::git::Oid& oid) const noexcept {
    size_t value;  // the id is a hash already
    std::memcpy(&value, oid.bytes.data(), sizeof value);
    return value;
  }
};
