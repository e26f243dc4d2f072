#include "kernels/dynamic8.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace lyceum::kernels {
namespace {

constexpr float kLeastScale = 1e-38f;
constexpr size_t kExponentBits = 7;

// `count` numbers from 0.1 to 1 as torch.linspace gives them: from both ends to the middle, each with one rounding.
std::vector<float> linspace(size_t count) {
  const float begin = 0.1f, end = 1.0f, step = (end - begin) / static_cast<float>(count - 1);
  std::vector<float> out(count);
  for (size_t i = 0; i < count; ++i) out[i] = i < count / 2 ? std::fma(step, static_cast<float>(i), begin) : std::fma(-step, static_cast<float>(count - i - 1), end);
  return out;
}

DynamicMap make_map(bool is_signed) {
  std::vector<float> values = {0.0f, 1.0f};
  for (size_t i = 0; i < kExponentBits; ++i) {
    const std::vector<float> borders = linspace((size_t{1} << (is_signed ? i : i + 1)) + 1);
    const double power = std::pow(10.0, -static_cast<double>(kExponentBits - 1 - i));
    for (size_t k = 0; k + 1 < borders.size(); ++k) {
      const float value = static_cast<float>(power) * ((borders[k] + borders[k + 1]) / 2.0f);
      values.push_back(value);
      if (is_signed) values.push_back(-value);
    }
  }
  DynamicMap map{};   // zeros where there are fewer than 256
  std::copy(values.begin(), values.end(), map.begin());
  std::sort(map.begin(), map.end());
  return map;
}

}  // namespace

const DynamicMap& dynamic_map(bool is_signed) noexcept {
  static const DynamicMap kSigned = make_map(true), kUnsigned = make_map(false);
  return is_signed ? kSigned : kUnsigned;
}

void dynamic8_quantize(const DynamicMap& map, const float* values, size_t count, uint8_t* codes, float* scales) noexcept {
  std::array<float, 255> middles{};
  for (size_t i = 0; i < middles.size(); ++i) middles[i] = (map[i] + map[i + 1]) / 2;
  for (size_t begin = 0; begin < count; begin += kDynamic8Block) {
    const size_t size = std::min(kDynamic8Block, count - begin);
    float top = 0;
    for (size_t i = 0; i < size; ++i) top = std::max(top, std::fabs(values[begin + i]));
    const bool whole = size == kDynamic8Block;   // as nf4_quantize
    const float safe = std::max(top, kLeastScale), inverse = 1.0f / safe;
    scales[begin / kDynamic8Block] = whole ? top : safe;
    for (size_t i = 0; i < size; ++i) {
      const float x = values[begin + i], scaled = std::clamp(whole ? x * inverse : x / safe, -1.0f, 1.0f);
      codes[begin + i] = static_cast<uint8_t>(std::lower_bound(middles.begin(), middles.end(), scaled) - middles.begin());
    }
  }
}

void dynamic8_dequantize(const DynamicMap& map, const uint8_t* codes, const float* scales, size_t count, float* values) noexcept {
  for (size_t i = 0; i < count; ++i) values[i] = map[codes[i]] * scales[i / kDynamic8Block];
}

}  // namespace lyceum::kernels
