#include "http/address_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "http/message.h"

namespace lyceum::http {
namespace {

constexpr std::string_view kNotPublic[] = {
    // IPv4
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
    // IPv6: only 2000::/3 is handed out; inside it, Teredo and other protocol assignments, documentation, 6to4.
    "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"};

std::optional<std::array<uint8_t, 16>> find_address(const std::string& text) {
  std::array<uint8_t, 16> out{};
  if (::inet_pton(AF_INET6, text.c_str(), out.data()) == 1) return out;
  out[10] = out[11] = 0xff;
  if (::inet_pton(AF_INET, text.c_str(), out.data() + 12) == 1) return out;
  return std::nullopt;
}

bool is_v4(const std::array<uint8_t, 16>& address) {
  return std::all_of(address.begin(), address.begin() + 10, [](uint8_t byte) { return byte == 0; }) && address[10] == 0xff && address[11] == 0xff;
}

}  // namespace

bool AddressGuard::Range::contains(const Bytes16& other) const {
  const unsigned whole = bits / 8, rest = bits % 8;
  if (!std::equal(address.begin(), address.begin() + whole, other.begin())) return false;
  return rest == 0 || (address[whole] >> (8 - rest)) == (other[whole] >> (8 - rest));
}

AddressGuard::Range AddressGuard::parse_range(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = find_address(std::string(text.substr(0, slash)));
  if (!address) return {};
  const unsigned most = is_v4(*address) ? 32 : 128;
  unsigned bits = most;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc() || end != digits.data() + digits.size() || bits > most) throw Error(Code::invalid_argument, "\"" + std::string(text) + "\" is not an address range");
  }
  return {*address, bits + (128 - most)};
}

AddressGuard::AddressGuard(std::string_view allow_list) {
  while (!allow_list.empty()) {
    const size_t comma = std::min(allow_list.find(','), allow_list.size());
    std::string_view entry = allow_list.substr(0, comma);
    allow_list.remove_prefix(std::min(comma + 1, allow_list.size()));
    while (entry.starts_with(' ')) entry.remove_prefix(1);
    while (entry.ends_with(' ')) entry.remove_suffix(1);
    if (entry.empty()) continue;
    if (find_address(std::string(entry.substr(0, entry.find('/'))))) ranges_.push_back(parse_range(entry));
    else if (entry.find_first_of("/: ") == std::string_view::npos) hosts_.emplace_back(entry);
    else throw Error(Code::invalid_argument, "\"" + std::string(entry) + "\" is neither an address, a range nor a host name");
  }
}

bool AddressGuard::is_public(const Bytes16& address) {
  static const std::vector<Range> refused = [] {
    std::vector<Range> out;
    for (const std::string_view text : kNotPublic) out.push_back(parse_range(text));
    return out;
  }();
  if (!is_v4(address) && (address[0] >> 5) != 1) return false;
  return std::none_of(refused.begin(), refused.end(), [&](const Range& range) { return range.contains(address); });
}

bool AddressGuard::permits(std::string_view host, const sockaddr& address) const {
  Bytes16 bytes{};
  if (address.sa_family == AF_INET6) {
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, 16);
  } else if (address.sa_family == AF_INET) {
    bytes[10] = bytes[11] = 0xff;
    std::memcpy(bytes.data() + 12, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, 4);
  } else {
    return false;
  }
  if (is_public(bytes)) return true;
  if (std::any_of(hosts_.begin(), hosts_.end(), [&](const std::string& one) { return equal_no_case(one, host); })) return true;
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& range) { return range.contains(bytes); });
}

}  // namespace lyceum::http
