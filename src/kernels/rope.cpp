#include "kernels/rope.h"

#include <cmath>

#include "kernels/split.h"
#include "kernels/table.h"

namespace lyceum::kernels {

RopeTable make_rope_table(std::span<const float> inverse_frequencies, size_t positions, float attention_scale) {
  RopeTable table;
  table.half = inverse_frequencies.size();
  table.positions = positions;
  table.cos.reserve(table.half * positions);
  table.sin.reserve(table.half * positions);
  for (size_t p = 0; p < positions; ++p) {
    for (const float frequency : inverse_frequencies) {
      const float angle = static_cast<float>(p) * frequency;
      table.cos.push_back(static_cast<float>(std::cos(static_cast<double>(angle))) * attention_scale);
      table.sin.push_back(static_cast<float>(std::sin(static_cast<double>(angle))) * attention_scale);
    }
  }
  return table;
}

void rope(ThreadPool& pool, Rows x, size_t head_dim, const RopeTable& rope_table, std::span<const int32_t> positions, Turn turn) noexcept {
  for_grains(pool, x.rows, 2 * x.columns,
             [&](size_t begin, size_t end) { table().rope(x, head_dim, rope_table, positions.data(), turn, begin, end); });
}

}  // namespace lyceum::kernels
