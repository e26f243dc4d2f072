// transport.h: one connection of the client, plain or TLS.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lyceum::http {

class AddressGuard;

struct Address {
  bool tls = false;
  std::string host, port;     // of TCP
  std::string unix_socket;    // or of this
  std::string authority;      // for the Host header
  std::string prefix;         // path prefix without a final slash
};

Address parse_base(const std::string& base);  // Error(invalid_argument)

class Transport {
 public:
  virtual ~Transport() = default;
  virtual size_t read_some(std::span<std::byte> into) = 0;  // 0 = end
  virtual void write_all(std::string_view bytes) = 0;
  virtual bool stale() const = 0;                           // an idle connection that the server has closed or written to
  virtual void set_keep_waiting(std::function<bool()> keep_waiting) = 0;
};

// Error(unavailable); Error(forbidden) when the guard (null: none) refuses every address of the host.
std::unique_ptr<Transport> connect_to(const Address& address, unsigned timeout_s, const AddressGuard* guard = nullptr);

}  // namespace lyceum::http
