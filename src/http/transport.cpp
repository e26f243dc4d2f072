#include "http/transport.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/files.h"
#include "http/address_guard.h"
#include "http/socket_io.h"

namespace lyceum::http {
namespace {

class PlainTransport final : public Transport {
 public:
  PlainTransport(UniqueFd fd, unsigned timeout_s) : fd_(std::move(fd)), io_(fd_.get(), timeout_s) {}
  size_t read_some(std::span<std::byte> into) override { return io_.read_some(into); }
  void write_all(std::string_view bytes) override { io_.write_all(bytes); }
  bool stale() const override { return io_.readable(); }
  void set_keep_waiting(std::function<bool()> keep_waiting) override { io_.set_keep_waiting(std::move(keep_waiting)); }

 private:
  UniqueFd fd_;
  SocketIo io_;
};

std::string ssl_reason() {
  std::array<char, 256> text{};
  const unsigned long code = ERR_get_error();
  if (code == 0) return "the connection was closed";
  ERR_error_string_n(code, text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

// OpenSSL between two memory buffers, so that time-outs and broken pipes are SocketIo's business for TLS too.
class TlsTransport final : public Transport {
 public:
  TlsTransport(UniqueFd fd, unsigned timeout_s, const std::string& host) : fd_(std::move(fd)), io_(fd_.get(), timeout_s) {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    LYCEUM_CHECK(context_ != nullptr, "OpenSSL must start");
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
    SSL_CTX_set_default_verify_paths(context_.get());
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    ssl_.reset(SSL_new(context_.get()));
    from_peer_ = BIO_new(BIO_s_mem());
    to_peer_ = BIO_new(BIO_s_mem());
    LYCEUM_CHECK(ssl_ && from_peer_ && to_peer_, "OpenSSL must start");
    BIO_set_mem_eof_return(from_peer_, -1);
    SSL_set_bio(ssl_.get(), from_peer_, to_peer_);
    SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
    SSL_set1_host(ssl_.get(), host.c_str());
    handshake(host);
  }

  size_t read_some(std::span<std::byte> into) override {
    while (true) {
      size_t got = 0;
      if (SSL_read_ex(ssl_.get(), into.data(), into.size(), &got) == 1) return got;
      const int reason = SSL_get_error(ssl_.get(), 0);
      if (reason == SSL_ERROR_ZERO_RETURN) return 0;
      if (reason != SSL_ERROR_WANT_READ) throw Error(Code::unavailable, "TLS failed: " + ssl_reason());
      flush();
      if (!fill()) throw Error(Code::unavailable, "The TLS connection was cut");
    }
  }

  void write_all(std::string_view bytes) override {
    while (!bytes.empty()) {
      size_t written = 0;
      const std::string_view piece = bytes.substr(0, 64u << 10);
      if (SSL_write_ex(ssl_.get(), piece.data(), piece.size(), &written) != 1) throw Error(Code::unavailable, "TLS failed: " + ssl_reason());
      flush();
      bytes.remove_prefix(written);
    }
  }

  bool stale() const override { return io_.peer_gone(); }  // session tickets may arrive while idle
  void set_keep_waiting(std::function<bool()> keep_waiting) override { io_.set_keep_waiting(std::move(keep_waiting)); }

 private:
  void handshake(const std::string& host) {
    while (SSL_connect(ssl_.get()) != 1) {
      const int reason = SSL_get_error(ssl_.get(), -1);
      flush();
      if (reason == SSL_ERROR_WANT_READ && fill()) continue;
      const long verified = SSL_get_verify_result(ssl_.get());
      const std::string why = verified != X509_V_OK ? X509_verify_cert_error_string(verified) : ssl_reason();
      throw Error(Code::unavailable, "No secure connection to " + host + ": " + why);
    }
    flush();
  }
  void flush() {
    char* data = nullptr;
    const long size = BIO_get_mem_data(to_peer_, &data);
    if (size > 0) io_.write_all({data, static_cast<size_t>(size)});
    (void)BIO_reset(to_peer_);
  }
  bool fill() {
    std::array<std::byte, 16384> bytes;
    const size_t got = io_.read_some(bytes);
    if (got == 0) return false;
    BIO_write(from_peer_, bytes.data(), static_cast<int>(got));
    return true;
  }

  struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  UniqueFd fd_;
  SocketIo io_;
  std::unique_ptr<SSL_CTX, FreeContext> context_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  BIO* from_peer_ = nullptr;  // owned by ssl_
  BIO* to_peer_ = nullptr;
};

// Empty on success, else the reason.
std::string try_connect(UniqueFd& fd, const sockaddr* address, socklen_t size, unsigned timeout_s) {
  fd.reset(::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return std::strerror(errno);
  if (::connect(fd.get(), address, size) == 0) return {};
  if (errno != EINPROGRESS) return std::strerror(errno);
  pollfd entry{fd.get(), POLLOUT, 0};
  if (::poll(&entry, 1, static_cast<int>(std::min(timeout_s, 60u) * 1000)) <= 0) return "no answer in time";
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  return error == 0 ? std::string() : std::strerror(error);
}

UniqueFd connect_unix(const std::string& path, unsigned timeout_s) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw Error(Code::invalid_argument, "The path of the Unix socket is too long: " + path);
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd;
  const std::string why = try_connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address, timeout_s);
  if (!why.empty()) throw Error(Code::unavailable, "Cannot connect to " + path + ": " + why);
  return fd;
}

UniqueFd connect_tcp(const Address& address, unsigned timeout_s, const AddressGuard* guard) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int result = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found);
  if (result != 0) throw Error(Code::unavailable, "Cannot find the address of " + address.host + ": " + ::gai_strerror(result));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, ::freeaddrinfo);
  std::string why;
  bool any_permitted = false;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    if (guard && !guard->permits(address.host, *one->ai_addr)) continue;
    any_permitted = true;
    UniqueFd fd;
    why = try_connect(fd, one->ai_addr, one->ai_addrlen, timeout_s);
    if (!why.empty()) continue;
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
  }
  if (!any_permitted) throw Error(Code::forbidden, address.host + " is in a network that this server may not call; its administrator can allow it (outgoing-allow)");
  throw Error(Code::unavailable, "Cannot connect to " + address.host + ":" + address.port + ": " + why);
}

}  // namespace

Address parse_base(const std::string& base) {
  const auto refuse = [&] { throw Error(Code::invalid_argument, "Not an address this client can use (http://, https:// or unix:/path): " + base); };
  Address address;
  if (base.starts_with("unix:")) {
    address.unix_socket = base.substr(5);
    address.authority = "localhost";
    if (address.unix_socket.empty()) refuse();
    return address;
  }
  const size_t scheme = base.find("://");
  if (scheme == std::string::npos) refuse();
  address.tls = base.substr(0, scheme) == "https";
  if (!address.tls && base.substr(0, scheme) != "http") refuse();
  const size_t slash = base.find('/', scheme + 3);
  address.authority = base.substr(scheme + 3, slash == std::string::npos ? slash : slash - scheme - 3);
  if (slash != std::string::npos) address.prefix = base.substr(slash);
  while (address.prefix.ends_with('/')) address.prefix.pop_back();
  if (address.authority.find_first_of("@?# \r\n") != std::string::npos || address.prefix.find_first_of("?# \r\n") != std::string::npos) refuse();
  const size_t bracket = address.authority.rfind(']');
  const size_t colon = address.authority.rfind(':');
  const bool has_port = colon != std::string::npos && (bracket == std::string::npos || colon > bracket);
  address.host = address.authority.substr(0, has_port ? colon : std::string::npos);
  address.port = has_port ? address.authority.substr(colon + 1) : address.tls ? "443" : "80";
  if (address.host.starts_with('[')) address.host = address.host.substr(1, address.host.size() - 2);
  if (address.host.empty() || address.port.empty()) refuse();
  return address;
}

std::unique_ptr<Transport> connect_to(const Address& address, unsigned timeout_s, const AddressGuard* guard) {
  if (!address.unix_socket.empty()) return std::make_unique<PlainTransport>(connect_unix(address.unix_socket, timeout_s), timeout_s);
  UniqueFd fd = connect_tcp(address, timeout_s, guard);
  if (address.tls) return std::make_unique<TlsTransport>(std::move(fd), timeout_s, address.host);
  return std::make_unique<PlainTransport>(std::move(fd), timeout_s);
}

}  // namespace lyceum::http
