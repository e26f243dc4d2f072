// rope.h: rotary position embedding in the rotate-half layout of Hugging Face: for i < half, (x[i], x[i + half]) turns by
// position * inverse_frequency[i]. The inverse rotation is the gradient of the rotation.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/threads.h"
#include "kernels/rows.h"

namespace lyceum::kernels {

// cos and sin of every position in [0, positions), computed once per model and shared by all threads.
struct RopeTable {
  size_t half = 0;       // inverse frequencies; 2 * half <= head_dim, the rest of a head passes unchanged
  size_t positions = 0;
  std::vector<float> cos, sin;  // (positions, half), attention scale included
};
// As transformers: the angle is rounded to float32 before cos and sin.
RopeTable make_rope_table(std::span<const float> inverse_frequencies, size_t positions, float attention_scale = 1.0f);

enum class Turn { forward, inverse };

// Head by head, the first 2 * half values: (2i, 2i + 1) go to (i, i + half). What turns neighbours together becomes what this file turns;
// products of two vectors that both went through it are what they were.
void part_neighbours(ThreadPool& pool, Rows x, size_t head_dim, size_t half) noexcept;

// x: (tokens, heads * head_dim), turned in place; positions[t] < table.positions is the position of row t.
void rope(ThreadPool& pool, Rows x, size_t head_dim, const RopeTable& table, std::span<const int32_t> positions,
          Turn turn = Turn::forward) noexcept;

}  // namespace lyceum::kernels
