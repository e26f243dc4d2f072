// bytes.h: hexadecimal, base64, and a bounds-checked little-endian reader for hostile bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace lyceum {

using Bytes = std::span<const std::byte>;

inline Bytes as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string to_hex(Bytes bytes);                                  // lower case
std::optional<std::string> find_from_hex(std::string_view hex);   // nullopt unless whole and even
bool is_hex(std::string_view text, size_t length) noexcept;       // exactly `length` lower-case hex digits

std::string to_base64(Bytes bytes);
std::optional<std::string> find_from_base64(std::string_view text);  // standard alphabet, padding required; white space refused

// Reads forward over bytes that came from outside. Every read is checked; a short buffer throws
// Error(Code::unprocessable, "<what>: truncated at byte N").
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes, std::string what = "data") : bytes_(bytes), what_(std::move(what)) {}

  size_t offset() const noexcept { return offset_; }
  size_t remaining() const noexcept { return bytes_.size() - offset_; }

  Bytes take(size_t count) {
    if (count > remaining()) fail_truncated(count);
    const Bytes out = bytes_.subspan(offset_, count);
    offset_ += count;
    return out;
  }
  void skip(size_t count) { take(count); }

  template <typename T>
  T read() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

 private:
  [[noreturn]] void fail_truncated(size_t wanted) const;

  Bytes bytes_;
  size_t offset_ = 0;
  std::string what_;
};

}  // namespace lyceum
