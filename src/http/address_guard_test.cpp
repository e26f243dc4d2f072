#include "http/address_guard.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>

#include "base/error.h"
#include "http/client.h"

namespace lyceum::http {
namespace {

bool permits(const AddressGuard& guard, const char* text, std::string_view host = "host.example") {
  sockaddr_storage storage{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  if (::inet_pton(AF_INET, text, &v4.sin_addr) == 1) v4.sin_family = AF_INET;
  else if (::inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) v6.sin6_family = AF_INET6;
  return guard.permits(host, reinterpret_cast<const sockaddr&>(storage));
}

TEST(AddressGuard, RefusesWhatIsNotThePublicInternet) {
  const AddressGuard guard;
  for (const char* text : {"127.0.0.1", "127.8.9.10", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
                           "255.255.255.255", "198.18.0.1", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::7f00:1", "fe80::1", "fc00::1", "fd12::1", "ff02::1",
                           "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1"}) {
    EXPECT_FALSE(permits(guard, text)) << text;
  }
  for (const char* text : {"8.8.8.8", "172.32.0.1", "172.15.0.1", "192.167.1.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"}) EXPECT_TRUE(permits(guard, text)) << text;
}

TEST(AddressGuard, TheAllowListOpensRangesAndHosts) {
  const AddressGuard guard("10.20.0.0/16, fd00::/8,127.0.0.1, Hooks.Internal");
  EXPECT_TRUE(permits(guard, "10.20.3.4"));
  EXPECT_TRUE(permits(guard, "::ffff:10.20.3.4"));
  EXPECT_FALSE(permits(guard, "10.21.0.1"));
  EXPECT_TRUE(permits(guard, "fd12::1"));
  EXPECT_TRUE(permits(guard, "127.0.0.1"));
  EXPECT_FALSE(permits(guard, "127.0.0.2"));
  EXPECT_TRUE(permits(guard, "192.168.1.1", "hooks.internal"));
  for (const char* bad : {"10.0.0.0/33", "10.0.0.0/x", "a b", "host:80"}) EXPECT_THROW(AddressGuard{bad}, Error) << bad;
}

TEST(AddressGuard, AGuardedClientDoesNotConnectToLoopback) {
  const AddressGuard guard;
  for (const char* base : {"http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "http://2130706433:1", "http://0x7f.1:1"}) {
    Client client(base, 5, &guard);
    try {
      client.send({});
      ADD_FAILURE() << base;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::forbidden) << base << ": " << error.what();
    }
  }
  EXPECT_THROW(Client("unix:/tmp/x", 5, &guard), Error);
}

}  // namespace
}  // namespace lyceum::http
