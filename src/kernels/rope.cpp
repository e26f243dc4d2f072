#include "kernels/rope.h"

#include <algorithm>
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

void part_neighbours(ThreadPool& pool, Rows x, size_t head_dim, size_t half) noexcept {
  for_grains(pool, x.rows, 2 * x.columns, [&](size_t begin, size_t end) {
    float parted[2 * kHeadDimMax];
    for (size_t row = begin; row < end; ++row) {
      for (float* head = x.row(row); head != x.row(row) + x.columns; head += head_dim) {
        for (size_t i = 0; i < half; ++i) {
          parted[i] = head[2 * i];
          parted[half + i] = head[2 * i + 1];
        }
        std::copy_n(parted, 2 * half, head);
      }
    }
  });
}

void rope(ThreadPool& pool, Rows x, size_t head_dim, const RopeTable& rope_table, std::span<const int32_t> positions, Turn turn) noexcept {
  for_grains(pool, x.rows, 2 * x.columns,
             [&](size_t begin, size_t end) { table().rope(x, head_dim, rope_table, positions.data(), turn, begin, end); });
}

}  // namespace lyceum::kernels
