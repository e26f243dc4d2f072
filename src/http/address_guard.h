// address_guard.h: which addresses the server may call on somebody else's word (webhooks, mirrors). Without it, whoever may name an
// address could make the server speak to machines that only the server can reach (server-side request forgery).
//
// Asked after name resolution, about the very address that is then connected to, so a name that changes its answer gains nothing.
// Refused: loopback, private, link-local, shared, documentation, multicast and reserved ranges of IPv4 and IPv6 (IANA special-purpose
// registries), IPv4 inside IPv6 included. The allow-list opens a company's own network.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lyceum::http {

class AddressGuard {
 public:
  // Comma-separated: addresses, ranges ("10.20.0.0/16", "fd00::/8") and host names. Error(invalid_argument) naming a malformed entry.
  explicit AddressGuard(std::string_view allow_list = {});
  bool permits(std::string_view host, const sockaddr& address) const;

 private:
  using Bytes16 = std::array<uint8_t, 16>;  // IPv4 as ::ffff:a.b.c.d
  struct Range {
    Bytes16 address{};
    unsigned bits = 0;
    bool contains(const Bytes16& other) const;
  };
  static Range parse_range(std::string_view text);
  static bool is_public(const Bytes16& address);

  std::vector<Range> ranges_;
  std::vector<std::string> hosts_;
};

}  // namespace lyceum::http
