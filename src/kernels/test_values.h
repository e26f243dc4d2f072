// test_values.h: what the kernel tests share: seeded values, weights in every dtype, and a loop over instruction sets.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/convert.h"
#include "kernels/dispatch.h"
#include "tensor/view.h"

namespace lyceum::kernels {

// Values in [-1, 1), the same on every machine.
class TestValues {
 public:
  explicit TestValues(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 1) {}
  float next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<float>(static_cast<int64_t>(state_ >> 40) - (1 << 23)) * 0x1p-23f;
  }
  std::vector<float> take(size_t count, float factor = 1.0f) {
    std::vector<float> values(count);
    for (float& value : values) value = next() * factor;
    return values;
  }

 private:
  uint64_t state_;
};

// A weight that owns its bytes, one byte off alignment as in a mapped file.
struct TestWeight {
  std::vector<std::byte> bytes;
  tensor::WeightView view;
  TestWeight(tensor::DType dtype, size_t rows, size_t columns, const std::vector<float>& values) {
    const size_t stride = tensor::row_bytes(dtype, columns);
    bytes.resize(rows * stride + 1);
    for (size_t r = 0; r < rows; ++r) quantize(dtype, values.data() + r * columns, columns, bytes.data() + 1 + r * stride);
    view = {bytes.data() + 1, dtype, rows, columns};
  }
};

// Runs body once for every instruction set here, the reference first, and restores the choice.
template <typename Body>
void on_every_isa(const Body& body) {
  const Isa before = current_isa();
  for (const Isa isa : available_isas()) {
    force_isa(isa);
    body(isa);
  }
  force_isa(before);
}

// Runs body on every instruction set; each must give the reference's floats within `tolerance` of max(1, |reference|).
// body returns a vector of floats. tolerance 0 means the same bytes.
inline constexpr tensor::DType kDTypes[] = {tensor::DType::f32, tensor::DType::f16, tensor::DType::bf16, tensor::DType::q8_0, tensor::DType::q4_0};

}  // namespace lyceum::kernels
