// The integer products one value at a time: what integer.h promises, written to be read.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/reference/blocks.h"
#include "kernels/table.h"

namespace lyceum::kernels::reference {
namespace {

constexpr float kSmallest = 0x1p-120f;   // below this, 127 / top would not be finite; the block counts as zeros

ActivationBlock activation_block(const float* x) {
  ActivationBlock out{};
  float top = 0;
  bool finite = true;
  for (int i = 0; i < 32; ++i) {
    finite = finite && std::isfinite(x[i]);
    top = std::max(top, std::fabs(x[i]));
  }
  out.scale = finite ? 0.0f : std::numeric_limits<float>::quiet_NaN();
  if (finite && top >= kSmallest) {
    out.scale = top / 127.0f;
    const float inverse = 127.0f / top;
    for (int i = 0; i < 32; ++i) out.values[i] = static_cast<int8_t>(std::nearbyint(x[i] * inverse));
  }
  for (int i = 0; i < 32; ++i) out.half_sums[i / 16] += out.values[i];
  out.sum = out.half_sums[0] + out.half_sums[1];
  out.scaled_sum = out.scale * static_cast<float>(out.sum);
  for (int half = 0; half < 2; ++half) out.scaled_half_sums[half] = out.scale * static_cast<float>(out.half_sums[half]);
  return out;
}

// One output. `x` is the row's first block, the next is `step` further.
float dot(const IntegerJob& job, const ActivationBlock* x, size_t step, const std::byte* stored) {
  const tensor::DType dtype = job.weight.dtype;
  const size_t size = tensor::block_size(dtype), group = group_size(dtype);
  float total = 0;
  for (size_t k = 0; k < job.blocks * 32; k += group) {
    const ActivationBlock& block = x[k / 32 * step];
    const std::byte* weights = stored + tensor::row_bytes(dtype, k / size * size);
    int sum = 0;
    for (size_t i = 0; i < group; ++i) sum += block_part(dtype, weights, k % size + i).whole * block.values[k % 32 + i];
    const BlockPart part = block_part(dtype, weights, k % size);
    total = std::fma(static_cast<float>(sum), part.scale * block.scale, total);
    const float scaled_sum = group == 32 ? block.scaled_sum : block.scaled_half_sums[k % 32 / 16];
    if (blocks_add(dtype)) total = std::fma(part.add, scaled_sum, total);
  }
  return total;
}

}  // namespace

void activation_blocks(const float* x, size_t count, ActivationBlock* out, size_t step) noexcept {
  for (size_t i = 0; i < count; ++i) out[i * step] = activation_block(x + 32 * i);
}

void integer_tile(const IntegerJob& job, size_t chunk0, size_t chunk1, size_t n0, size_t n1) noexcept {
  for (size_t row = chunk0 * kActivationRows; row < std::min(job.rows, chunk1 * kActivationRows); ++row) {
    const size_t chunk = row / kActivationRows * kActivationRows, step = std::min(kActivationRows, job.rows - chunk);
    for (size_t n = n0; n < n1; ++n) {
      float value = dot(job, job.x + chunk * job.blocks + row - chunk, step, job.weight.data + n * job.stride) * job.scale;
      if (job.bias != nullptr) value += job.bias[n];
      float& c = job.c[row * job.c_row + n];
      c = job.add ? value + c : value;
    }
  }
}

}  // namespace lyceum::kernels::reference
