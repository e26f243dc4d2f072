#include "base/random.h"

#include <sys/random.h>

#include <cerrno>
#include <cmath>

#include "base/error.h"

namespace lyceum {

std::string secure_bytes(size_t count) {
  std::string out(count, '\0');
  size_t filled = 0;
  while (filled < count) {
    const ssize_t got = getrandom(out.data() + filled, count - filled, 0);
    if (got < 0 && errno == EINTR) continue;
    LYCEUM_CHECK(got > 0, "getrandom failed");
    filled += static_cast<size_t>(got);
  }
  return out;
}

std::string secure_alphanumeric(size_t count) {
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::string out;
  out.reserve(count);
  while (out.size() < count) {
    for (const char c : secure_bytes(count)) {
      const auto value = static_cast<unsigned char>(c);
      if (value < 248 && out.size() < count) out.push_back(kAlphabet[value % 62]);  // 248 = 4 * 62: no bias
    }
  }
  return out;
}

uint64_t Rng::below(uint64_t bound) noexcept {
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  uint64_t value = next();
  while (value >= limit) value = next();
  return value % bound;
}

double Rng::normal() noexcept {
  const double u = 1.0 - uniform();
  const double v = uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586476925 * v);
}

}  // namespace lyceum
