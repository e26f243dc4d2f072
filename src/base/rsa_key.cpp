#include "base/rsa_key.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/error.h"

namespace lyceum {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIGNUM* number) const { BN_free(number); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

void require(bool good, const char* what) {
  if (!good) throw Error(Code::internal, std::string("OpenSSL could not ") + what);
}

}  // namespace

struct RsaKey::State {
  Owned<EVP_PKEY> key;
};

RsaKey::RsaKey(std::unique_ptr<State> state) : state_(std::move(state)) {}
RsaKey::~RsaKey() = default;
RsaKey::RsaKey(RsaKey&&) noexcept = default;
RsaKey& RsaKey::operator=(RsaKey&&) noexcept = default;

RsaKey RsaKey::make() {
  auto state = std::make_unique<State>();
  state->key.reset(EVP_RSA_gen(2048));
  require(state->key != nullptr, "make an RSA key");
  return RsaKey(std::move(state));
}

RsaKey RsaKey::from_pem(std::string_view pem) {
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  require(bio != nullptr, "take memory");
  auto state = std::make_unique<State>();
  state->key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (state->key == nullptr || EVP_PKEY_base_id(state->key.get()) != EVP_PKEY_RSA) throw Error(Code::invalid_argument, "not the PEM text of an RSA key");
  return RsaKey(std::move(state));
}

std::string RsaKey::pem() const {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  require(bio != nullptr && PEM_write_bio_PrivateKey(bio.get(), state_->key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1, "write an RSA key");
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<size_t>(size));
}

std::string RsaKey::sign(std::string_view text) const {
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
  size_t size = 0;
  require(context != nullptr && EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, state_->key.get()) == 1, "start a signature");
  require(EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) == 1, "sign");
  std::string out(size, '\0');
  require(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, bytes, text.size()) == 1, "sign");
  out.resize(size);
  return out;
}

std::string RsaKey::number(const char* name) const {
  BIGNUM* value = nullptr;
  require(EVP_PKEY_get_bn_param(state_->key.get(), name, &value) == 1, "read an RSA key");
  const Owned<BIGNUM> owned(value);
  std::string out(static_cast<size_t>(BN_num_bytes(value)), '\0');
  BN_bn2bin(value, reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

std::string RsaKey::modulus() const { return number(OSSL_PKEY_PARAM_RSA_N); }
std::string RsaKey::exponent() const { return number(OSSL_PKEY_PARAM_RSA_E); }

}  // namespace lyceum
