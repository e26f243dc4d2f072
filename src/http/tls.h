// tls.h: the server's side of TLS: certificate and key with reload, and one connection's session.
//
// TLS 1.2 and 1.3, forward secrecy and AEAD ciphers only, HTTP/1.1 by ALPN. Files are read into a buffer and encrypted in user space:
// Debian 12's kernels come without kTLS here (setsockopt TCP_ULP fails), so there is no SSL_sendfile path.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "http/socket_io.h"

struct ssl_st;
struct ssl_ctx_st;

namespace lyceum::http {

// When a PEM certificate ends, in milliseconds since the epoch. Error(invalid_argument) naming the file if it cannot be read.
int64_t certificate_expiry_ms(const std::filesystem::path& certificate);

class TlsContext {
 public:
  // PEM files: the certificate chain, leaf first, and its key without a password. Error(invalid_argument) naming what is wrong.
  TlsContext(std::filesystem::path certificate, std::filesystem::path key);
  // Reads the files again; on Error the old certificate stays in use. New connections only. Any thread.
  void reload();
  bool files_changed() const;  // since they were last read, or last found unreadable
  int64_t expiry_ms() const;
  std::shared_ptr<ssl_ctx_st> get() const;

 private:
  std::string stamp() const;

  const std::filesystem::path certificate_, key_;
  mutable std::mutex mutex_;
  std::shared_ptr<ssl_ctx_st> context_;
  std::string stamp_;
};

class TlsIo final : public SocketIo {
 public:
  TlsIo(int fd, IoLimits limits, const TlsContext& context);
  ~TlsIo() override;

  short try_handshake();  // POLLIN or POLLOUT: wait for this; 0: done. Error(unavailable) if it fails
  Attempt try_read(std::span<std::byte> into) override;
  void set_low_water(int) override {}  // what OpenSSL holds already would not be counted
  Attempt try_write(std::string_view bytes, bool more) override;
  Attempt try_send_file(int file_fd, uint64_t offset, uint64_t length, const std::filesystem::path& path_for_errors) override;

 private:
  Attempt outcome(int result, size_t count, const char* action);

  std::shared_ptr<ssl_ctx_st> context_;
  ssl_st* ssl_ = nullptr;
  std::string file_buffer_;        // bytes of the file being sent, from file_offset_ on
  uint64_t file_offset_ = 0;
  int file_fd_ = -1;
};

}  // namespace lyceum::http
