// rsa_key.h: an RSA key that signs (RS256: RSASSA-PKCS1-v1_5 with SHA-256), over OpenSSL. Not thread-safe per object.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace lyceum {

class RsaKey {
 public:
  static RsaKey make();                           // 2048 bits; takes tens of milliseconds
  static RsaKey from_pem(std::string_view pem);   // Error(invalid_argument)
  ~RsaKey();
  RsaKey(RsaKey&&) noexcept;
  RsaKey& operator=(RsaKey&&) noexcept;

  std::string pem() const;                        // private key, PKCS #8
  std::string sign(std::string_view text) const;  // 256 bytes
  std::string modulus() const;                    // big-endian, as JSON Web Keys have them
  std::string exponent() const;

 private:
  struct State;
  explicit RsaKey(std::unique_ptr<State> state);
  std::string number(const char* name) const;

  std::unique_ptr<State> state_;
};

}  // namespace lyceum
