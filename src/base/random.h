// random.h: two different things. Secure bytes for tokens and identifiers, and a small counter-based generator
// whose sequence is fixed forever (training and sampling must repeat from a seed on every machine).
#pragma once

#include <cstdint>
#include <string>

namespace lyceum {

std::string secure_bytes(size_t count);          // getrandom(2)
std::string secure_alphanumeric(size_t count);   // [A-Za-z0-9], unbiased

// SplitMix64 (Steele, Lea, Flood 2014). Copyable: its whole state is one integer, so a checkpoint can carry it.
class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}
  uint64_t next() noexcept {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }  // [0, 1)
  uint64_t below(uint64_t bound) noexcept;                                            // [0, bound), unbiased; bound > 0
  double normal() noexcept;                                                           // standard normal, Box-Muller
  uint64_t state() const noexcept { return state_; }

 private:
  uint64_t state_;
};

}  // namespace lyceum
