#include "kernels/nf4.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace lyceum::kernels {
namespace {

constexpr float kLeastScale = 1e-38f;   // of what is divided by; a block of zeros stays one
constexpr size_t kBlockBytes = 36, kHalfBytes = 16;

unsigned nearest_level(float x) {
  unsigned level = 0;
  for (unsigned i = 0; i < 15; ++i) level += x > (kNf4Levels[i] + kNf4Levels[i + 1]) / 2;
  return level;
}

unsigned level_at(const uint8_t* packed, size_t i) { return i % 2 == 0 ? packed[i / 2] >> 4 : packed[i / 2] & 15u; }

void put_level(uint8_t* packed, size_t i, unsigned level) {
  if (i % 2 == 0) {
    packed[i / 2] = static_cast<uint8_t>(level << 4);
  } else {
    packed[i / 2] = static_cast<uint8_t>(packed[i / 2] | level);
  }
}

}  // namespace

void nf4_quantize(const float* values, size_t count, uint8_t* packed, float* scales) noexcept {
  for (size_t begin = 0; begin < count; begin += kNf4Block) {
    const size_t size = std::min(kNf4Block, count - begin);
    float top = 0;
    for (size_t i = 0; i < size; ++i) top = std::max(top, std::fabs(values[begin + i]));
    // bitsandbytes multiplies whole blocks with the inverse and divides the short one, whose scale is never zero.
    const bool whole = size == kNf4Block;
    const float safe = std::max(top, kLeastScale), inverse = 1.0f / safe;
    scales[begin / kNf4Block] = whole ? top : safe;
    for (size_t i = 0; i < size; ++i) {
      const float x = values[begin + i];
      put_level(packed, begin + i, nearest_level(whole ? x * inverse : x / safe));
    }
  }
  if (count % 2 != 0) put_level(packed, count, nearest_level(0));   // what fills the last byte is a zero
}

void nf4_dequantize(const uint8_t* packed, const float* scales, size_t count, float* values) noexcept {
  for (size_t i = 0; i < count; ++i) values[i] = kNf4Levels[level_at(packed, i)] * scales[i / kNf4Block];
}

void nf4_to_blocks(const uint8_t* packed, const float* scales, size_t count, std::byte* blocks) noexcept {
  for (size_t begin = 0; begin < count; begin += kNf4Block, blocks += kBlockBytes) {
    std::memcpy(blocks, scales + begin / kNf4Block, sizeof(float));
    for (size_t i = 0; i < kNf4Block / 2; ++i) {
      const size_t first = begin + i / kHalfBytes * 32 + i % kHalfBytes;
      blocks[4 + i] = static_cast<std::byte>(level_at(packed, first) | level_at(packed, first + 16) << 4);
    }
  }
}

void nf4_from_blocks(const std::byte* blocks, size_t count, uint8_t* packed, float* scales) noexcept {
  for (size_t begin = 0; begin < count; begin += kNf4Block, blocks += kBlockBytes) {
    std::memcpy(scales + begin / kNf4Block, blocks, sizeof(float));
    for (size_t i = 0; i < kNf4Block; ++i) {
      const auto byte = static_cast<unsigned>(blocks[4 + i / 32 * kHalfBytes + i % 16]);
      put_level(packed, begin + i, i % 32 < 16 ? byte & 15 : byte >> 4);
    }
  }
}

}  // namespace lyceum::kernels
