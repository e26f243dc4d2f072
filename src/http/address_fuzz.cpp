// Addresses from outside: of servers (webhooks, S3, mirrors), of peers, and the list of permitted ones.
#include <arpa/inet.h>

#include <cstring>

#include "base/error.h"
#include "http/address_guard.h"
#include "http/transport.h"

namespace {

void check_bytes(const lyceum::http::AddressGuard& guard, const uint8_t* data, size_t size) {
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  std::memcpy(&six.sin6_addr, data, std::min<size_t>(size, 16));
  guard.permits("host.example", reinterpret_cast<const sockaddr&>(six));
  sockaddr_in four{};
  four.sin_family = AF_INET;
  std::memcpy(&four.sin_addr, data, std::min<size_t>(size, 4));
  guard.permits("host.example", reinterpret_cast<const sockaddr&>(four));
  // Whatever the first three bytes of it are, the machine itself is never permitted without a list.
  reinterpret_cast<uint8_t*>(&four.sin_addr)[0] = 127;
  LYCEUM_CHECK(!lyceum::http::AddressGuard().permits("host.example", reinterpret_cast<const sockaddr&>(four)), "loopback is refused");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum;
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_bytes(http::AddressGuard(), data, size);
  try {
    check_bytes(http::AddressGuard(text), data, size);
  } catch (const Error& error) {
    LYCEUM_CHECK(error.code() == Code::invalid_argument, "a malformed list is a bad argument");
  }
  for (const std::string& base : {text, "http://" + text, "https://[" + text}) {
    try {
      const http::Address address = http::parse_base(base);
      LYCEUM_CHECK(address.authority.find_first_of("\r\n") == std::string::npos && address.prefix.find_first_of("\r\n") == std::string::npos, "an address cannot add lines to a request");
    } catch (const Error& error) {
      LYCEUM_CHECK(error.code() == Code::invalid_argument, "a malformed address is a bad argument");
    }
  }
  return 0;
}
