#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace lyceum {

struct Hasher::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher(Kind kind) : state_(std::make_unique<State>()) {
  const EVP_MD* digest = kind == Kind::sha256 ? EVP_sha256() : EVP_sha1();
  LYCEUM_CHECK(state_->context != nullptr, "EVP_MD_CTX_new failed");
  LYCEUM_CHECK(EVP_DigestInit_ex(state_->context, digest, nullptr) == 1, "EVP_DigestInit_ex failed");
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(Bytes bytes) {
  LYCEUM_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1, "EVP_DigestUpdate failed");
}

std::string Hasher::finish() {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned length = 0;
  LYCEUM_CHECK(EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(out.data()), &length) == 1,
               "EVP_DigestFinal_ex failed");
  out.resize(length);
  return out;
}

std::string Hasher::finish_hex() { return to_hex(as_bytes(finish())); }

std::string sha256_hex(Bytes bytes) {
  Hasher hasher(Hasher::Kind::sha256);
  hasher.update(bytes);
  return hasher.finish_hex();
}
std::string sha256_hex(std::string_view text) { return sha256_hex(as_bytes(text)); }

std::string sha256_raw(std::string_view text) {
  Hasher hasher(Hasher::Kind::sha256);
  hasher.update(text);
  return hasher.finish();
}

std::string hmac_sha256_hex(std::string_view key, std::string_view message) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(message.data()),
       message.size(), out, &length);
  return to_hex({reinterpret_cast<const std::byte*>(out), length});
}

bool equal_constant_time(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace lyceum
