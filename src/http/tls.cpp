#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/error.h"

namespace lyceum::http {
namespace {

constexpr size_t kFileBufferBytes = 256u << 10;

std::string reason() {
  std::array<char, 256> text{};
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "the connection was closed";
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

// HTTP/1.1 is all we speak; a client that offers only something else goes on without ALPN and will see for itself.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered, unsigned size, void*) {
  static constexpr std::array<unsigned char, 9> ours{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, ours.data(), ours.size(), offered, size) != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

std::shared_ptr<SSL_CTX> make_context(const std::filesystem::path& certificate, const std::filesystem::path& key) {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  LYCEUM_CHECK(context != nullptr, "OpenSSL must start");
  SSL_CTX* raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  LYCEUM_CHECK(SSL_CTX_set_cipher_list(raw, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1, "OpenSSL knows the modern ciphers");
  SSL_CTX_set_alpn_select_cb(raw, choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(raw, certificate.c_str()) != 1) {
    throw Error(Code::invalid_argument, "Cannot use the TLS certificate " + certificate.string() + ": " + reason());
  }
  if (SSL_CTX_use_PrivateKey_file(raw, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    throw Error(Code::invalid_argument, "Cannot use the TLS key " + key.string() + " (is it the certificate's?): " + reason());
  }
  return context;
}

int64_t expiry_of(const X509* certificate) {
  std::tm parts{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return 0;
  return static_cast<int64_t>(::timegm(&parts)) * 1000;
}

}  // namespace

int64_t certificate_expiry_ms(const std::filesystem::path& certificate) {
  const std::unique_ptr<BIO, int (*)(BIO*)> file(BIO_new_file(certificate.c_str(), "r"), BIO_free);
  const std::unique_ptr<X509, void (*)(X509*)> parsed(file ? PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr) : nullptr, X509_free);
  if (!parsed) throw Error(Code::invalid_argument, "Cannot read the TLS certificate " + certificate.string() + ": " + reason());
  return expiry_of(parsed.get());
}

TlsContext::TlsContext(std::filesystem::path certificate, std::filesystem::path key)
    : certificate_(std::move(certificate)), key_(std::move(key)), context_(make_context(certificate_, key_)), stamp_(stamp()) {}

void TlsContext::reload() {
  std::string now = stamp();
  {
    const std::lock_guard lock(mutex_);
    stamp_ = std::move(now);  // also when it fails: an unreadable pair is reported once, not at every look
  }
  auto fresh = make_context(certificate_, key_);
  const std::lock_guard lock(mutex_);
  context_ = std::move(fresh);
}

std::string TlsContext::stamp() const {
  std::string out;
  for (const auto* path : {&certificate_, &key_}) {
    struct stat info {};
    if (::stat(path->c_str(), &info) != 0) return {};
    out += std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec) + "/" + std::to_string(info.st_ino) + "/" + std::to_string(info.st_size) + " ";
  }
  return out;
}

bool TlsContext::files_changed() const {
  const std::string now = stamp();
  const std::lock_guard lock(mutex_);
  return !now.empty() && now != stamp_;
}

int64_t TlsContext::expiry_ms() const { return expiry_of(SSL_CTX_get0_certificate(get().get())); }

std::shared_ptr<SSL_CTX> TlsContext::get() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

TlsIo::TlsIo(int fd, IoLimits limits, const TlsContext& context) : SocketIo(fd, limits), context_(context.get()), ssl_(SSL_new(context_.get())) {
  if (ssl_ == nullptr || SSL_set_fd(ssl_, fd) != 1) throw Error(Code::unavailable, "TLS could not start: " + reason());
  SSL_set_accept_state(ssl_);
}

TlsIo::~TlsIo() {
  if (SSL_is_init_finished(ssl_)) SSL_shutdown(ssl_);  // close_notify, if it fits
  ERR_clear_error();
  SSL_free(ssl_);
}

SocketIo::Attempt TlsIo::outcome(int result, size_t count, const char* action) {
  if (result == 1) return {count, 0};
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ: return {0, POLLIN};
    case SSL_ERROR_WANT_WRITE: return {0, POLLOUT};
    case SSL_ERROR_ZERO_RETURN: return {0, 0};
    default: throw Error(Code::unavailable, std::string("TLS broke while ") + action + ": " + reason());
  }
}

short TlsIo::try_handshake() {
  ERR_clear_error();
  return outcome(SSL_do_handshake(ssl_), 0, "shaking hands").blocked_on;
}

SocketIo::Attempt TlsIo::try_read(std::span<std::byte> into) {
  ERR_clear_error();
  size_t got = 0;
  const int result = SSL_read_ex(ssl_, into.data(), into.size(), &got);
  return outcome(result, got, "reading");
}

SocketIo::Attempt TlsIo::try_write(std::string_view bytes, bool) {
  ERR_clear_error();
  size_t sent = 0;
  const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &sent);
  const Attempt attempt = outcome(result, sent, "writing");
  if (attempt.count == 0 && attempt.blocked_on == 0) throw Error(Code::unavailable, "The TLS connection was closed while writing");
  return attempt;
}

SocketIo::Attempt TlsIo::try_send_file(int file_fd, uint64_t offset, uint64_t length, const std::filesystem::path& path_for_errors) {
  const bool buffered = file_fd == file_fd_ && offset >= file_offset_ && offset - file_offset_ < file_buffer_.size();
  if (!buffered) {
    file_buffer_.resize(static_cast<size_t>(std::min<uint64_t>(length, kFileBufferBytes)));
    ssize_t got = 0;
    do got = ::pread(file_fd, file_buffer_.data(), file_buffer_.size(), static_cast<off_t>(offset));
    while (got < 0 && errno == EINTR);
    if (got <= 0) throw Error(Code::internal, "The file " + path_for_errors.string() + (got == 0 ? " became shorter while it was sent" : " cannot be read"));
    file_buffer_.resize(static_cast<size_t>(got));
    file_offset_ = offset;
    file_fd_ = file_fd;
  }
  const std::string_view rest = std::string_view(file_buffer_).substr(static_cast<size_t>(offset - file_offset_));
  const Attempt attempt = try_write(rest.substr(0, static_cast<size_t>(std::min<uint64_t>(length, rest.size()))), true);
  if (attempt.count == length) {
    file_fd_ = -1;  // the descriptor's number may soon mean another file
    file_buffer_ = {};
  }
  return attempt;
}

}  // namespace lyceum::http
