// encode_search.h: the searches behind encode.h. A group is N values that share a scale; a block is 256 values whose groups' scales
// are whole numbers times one or two floats. Plain arithmetic in a fixed order without contraction: the same bytes everywhere.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/convert.h"

namespace lyceum::kernels::search {

using F4 = float __attribute__((vector_size(16)));

inline F4 load(const float* p) noexcept {
  F4 v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
inline float sum(F4 v) noexcept { return (v[0] + v[1]) + (v[2] + v[3]); }
inline F4 all(float value) noexcept { return F4{value, value, value, value}; }
// To the nearest whole number; |v| < 2^22.
inline F4 round(F4 v) noexcept {
  const F4 shift = all(12582912.0f);
  return (v + shift) - shift;
}
inline F4 clamp(F4 v, float low, float high) noexcept {
  v = v < all(low) ? all(low) : v;
  return v > all(high) ? all(high) : v;
}
inline float half(float value) noexcept { return f16_to_f32(f32_to_f16(value)); }
inline float inverse_of(float value) noexcept { return value == 0 ? 0 : 1 / value; }

// Levels low … high, one apart.
struct Linear {
  float low, high;
  F4 nearest(F4 v) const noexcept { return round(clamp(v, low, high)); }
  float extreme() const noexcept { return low; }   // the level that the value of largest magnitude is put on
};

// iq4's sixteen levels, by a table over whole numbers.
struct Table {
  std::array<int8_t, 256> of;
  F4 nearest(F4 v) const noexcept {
    v = round(clamp(v, -128, 127));
    for (int i = 0; i < 4; ++i) v[i] = of[static_cast<size_t>(static_cast<int>(v[i]) + 128)];
    return v;
  }
  float extreme() const noexcept { return -127; }
};

// Values and weights of one group.
struct Group {
  const float* x;
  const float* w;
};

// sum w (x - scale * level)^2, each x on its best level.
template <size_t N, typename Levels>
float scaled_error(const Group& g, float scale, const Levels& levels) noexcept {
  const F4 inverse = all(inverse_of(scale));
  F4 error = all(0);
  for (size_t i = 0; i < N; i += 4) {
    const F4 x = load(g.x + i), rest = x - all(scale) * levels.nearest(x * inverse);
    error += load(g.w + i) * rest * rest;
  }
  return sum(error);
}

struct LevelSums {
  float xl = 0, ll = 0;   // sum w x level, sum w level^2
};
template <size_t N, typename Levels>
LevelSums level_sums(const Group& g, float inverse, const Levels& levels) noexcept {
  F4 xl = all(0), ll = all(0);
  for (size_t i = 0; i < N; i += 4) {
    const F4 x = load(g.x + i), wl = load(g.w + i) * levels.nearest(x * all(inverse));
    xl += wl * x;
    ll += wl * levels.nearest(x * all(inverse));
  }
  return {sum(xl), sum(ll)};
}

// The scale (of either sign) that loses least: candidates about the one that puts the largest value on the last level, each fitted.
template <size_t N, typename Levels>
float find_scale(const Group& g, const Levels& levels) noexcept {
  float largest = 0;
  for (size_t i = 0; i < N; ++i) {
    if (std::fabs(g.x[i]) > std::fabs(largest)) largest = g.x[i];
  }
  if (std::fabs(largest) < 1e-30f) return 0;
  float best_gain = 0, best = 0;
  const auto consider = [&](float inverse) {
    const LevelSums sums = level_sums<N>(g, inverse, levels);
    if (!(sums.ll > 0)) return;
    const float gain = sums.xl * sums.xl / sums.ll;
    if (gain <= best_gain) return;
    best_gain = gain;
    best = sums.xl / sums.ll;
  };
  for (int step = -9; step <= 9; ++step) {
    const float stretched = levels.extreme() * (1 + 0.025f * static_cast<float>(step));
    consider(stretched / largest);
    consider(-stretched / largest);
  }
  for (int turn = 0; turn < 2 && best != 0; ++turn) consider(1 / best);
  return best;
}

struct Affine {
  float scale = 0, offset = 0;   // value ~ scale * q + offset, q in 0 … top
};

struct AffineSums {
  float w, x, xx, q = 0, qq = 0, xq = 0;   // weighted
};

template <size_t N>
void add_levels(const Group& g, float inverse, float offset, float top, AffineSums& sums) noexcept {
  F4 q = all(0), qq = all(0), xq = all(0);
  for (size_t i = 0; i < N; i += 4) {
    const F4 x = load(g.x + i), level = round(clamp((x - all(offset)) * all(inverse), 0, top)), wl = load(g.w + i) * level;
    q += wl;
    qq += wl * level;
    xq += wl * x;
  }
  sums.q = sum(q);
  sums.qq = sum(qq);
  sums.xq = sum(xq);
}

// Least squares for given levels; the offset of K types is not above 0. Sets the error.
inline Affine solve(const AffineSums& s, bool any_offset, float& error) noexcept {
  const float det = s.w * s.qq - s.q * s.q;
  Affine out;
  if (det > 0) out = {(s.w * s.xq - s.x * s.q) / det, (s.x * s.qq - s.q * s.xq) / det};
  if (!(det > 0) || (!any_offset && out.offset > 0)) out = {s.qq > 0 ? s.xq / s.qq : 0, 0};
  error = s.xx - 2 * (out.scale * s.xq + out.offset * s.x) + out.scale * out.scale * s.qq + 2 * out.scale * out.offset * s.q + out.offset * out.offset * s.w;
  return out;
}

template <size_t N>
Affine find_affine(const Group& g, float top, bool any_offset) noexcept {
  float low = g.x[0], high = g.x[0];
  F4 w = all(0), x = all(0), xx = all(0);
  for (size_t i = 0; i < N; ++i) {
    low = std::min(low, g.x[i]);
    high = std::max(high, g.x[i]);
  }
  for (size_t i = 0; i < N; i += 4) {
    const F4 v = load(g.x + i), weight = load(g.w + i);
    w += weight;
    x += weight * v;
    xx += weight * v * v;
  }
  if (!any_offset) low = std::min(low, 0.0f);
  if (!(high - low > 1e-30f)) return {0, low};
  AffineSums sums{sum(w), sum(x), sum(xx)};
  Affine best;
  float best_error = std::numeric_limits<float>::infinity();
  const auto consider = [&](float inverse, float offset) {
    add_levels<N>(g, inverse, offset, top, sums);
    float error = 0;
    const Affine found = solve(sums, any_offset, error);
    if (!(found.scale > 0) || !(error < best_error)) return;
    best_error = error;
    best = found;
  };
  for (int step = -10; step <= 14; ++step) consider((top + 0.1f * static_cast<float>(step)) / (high - low), low);
  for (int turn = 0; turn < 3 && best.scale > 0; ++turn) consider(1 / best.scale, best.offset);
  return best;
}

template <size_t N>
float affine_error(const Group& g, float scale, float offset, float top) noexcept {
  const F4 inverse = all(inverse_of(scale));
  F4 error = all(0);
  for (size_t i = 0; i < N; i += 4) {
    const F4 x = load(g.x + i), rest = x - (all(scale) * round(clamp((x - all(offset)) * inverse, 0, top)) + all(offset));
    error += load(g.w + i) * rest * rest;
  }
  return sum(error);
}

// A block whose groups have signed whole scales: value = d * scale[group] * level.
template <size_t N>
struct ScaledBlock {
  static constexpr size_t kGroups = 256 / N;
  float d = 0;   // a half
  std::array<int, kGroups> scale{};
};

// For the present d: every group's best whole scale near `wanted`. Returns the error; sets what d's least squares need.
template <size_t N, typename Levels>
float choose_scales(const Group& block, const std::array<float, 256 / N>& wanted, int low, int high, const Levels& levels, ScaledBlock<N>& out, float& next_d) noexcept {
  float total = 0, xl = 0, ll = 0;
  for (size_t j = 0; j < 256 / N; ++j) {
    const Group g{block.x + j * N, block.w + j * N};
    const int about = static_cast<int>(std::nearbyint(wanted[j] * inverse_of(out.d)));
    float least = std::numeric_limits<float>::infinity();
    for (int scale = std::clamp(about - 1, low, high); scale <= std::clamp(about + 1, low, high); ++scale) {
      const float error = scaled_error<N>(g, out.d * static_cast<float>(scale), levels);
      if (!(error < least)) continue;
      least = error;
      out.scale[j] = scale;
    }
    total += least;
    const auto scale = static_cast<float>(out.scale[j]);
    const LevelSums sums = level_sums<N>(g, inverse_of(out.d * scale), levels);
    xl += scale * sums.xl;
    ll += scale * scale * sums.ll;
  }
  next_d = ll > 0 ? half(xl / ll) : 0;
  return total;
}

template <size_t N, typename Levels>
ScaledBlock<N> find_scaled_block(const Group& block, int low, int high, const Levels& levels) noexcept {
  std::array<float, 256 / N> wanted{};
  float largest = 0;
  for (size_t j = 0; j < 256 / N; ++j) {
    wanted[j] = find_scale<N>(Group{block.x + j * N, block.w + j * N}, levels);
    if (std::fabs(wanted[j]) > std::fabs(largest)) largest = wanted[j];
  }
  ScaledBlock<N> best;
  float best_error = std::numeric_limits<float>::infinity();
  for (const float first : {half(largest / static_cast<float>(low)), half(largest / static_cast<float>(high))}) {
    ScaledBlock<N> at;
    at.d = first;
    for (int turn = 0; turn < 3 && at.d != 0; ++turn) {
      float next = 0;
      const float error = choose_scales<N>(block, wanted, low, high, levels, at, next);
      if (error < best_error) {
        best_error = error;
        best = at;
      }
      if (next == at.d) break;
      at.d = next;
    }
  }
  return best;
}

// A block whose groups have whole scales and minima: value = d * scale[group] * q - dmin * min[group].
template <size_t N>
struct AffineBlock {
  static constexpr size_t kGroups = 256 / N;
  float d = 0, dmin = 0;   // halves
  std::array<int, kGroups> scale{}, min{};
};

// Sums for the least squares of d and dmin over the whole block.
struct PairSums {
  float aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;
};

template <size_t N>
void add_group(const Group& g, float scale, float min, float d, float dmin, float top, PairSums& sums) noexcept {
  AffineSums group{0, 0, 0};
  F4 w = all(0), x = all(0);
  for (size_t i = 0; i < N; i += 4) {
    w += load(g.w + i);
    x += load(g.w + i) * load(g.x + i);
  }
  add_levels<N>(g, inverse_of(d * scale), -dmin * min, top, group);
  sums.aa += scale * scale * group.qq;
  sums.ab += scale * min * group.q;
  sums.bb += min * min * sum(w);
  sums.xa += scale * group.xq;
  sums.xb += min * sum(x);
}

template <size_t N>
float choose_pairs(const Group& block, const std::array<Affine, 256 / N>& wanted, int high, float top, AffineBlock<N>& out) noexcept {
  float total = 0;
  for (size_t j = 0; j < 256 / N; ++j) {
    const Group g{block.x + j * N, block.w + j * N};
    const int scale_about = static_cast<int>(std::nearbyint(wanted[j].scale * inverse_of(out.d)));
    const int min_about = static_cast<int>(std::nearbyint(-wanted[j].offset * inverse_of(out.dmin)));
    float least = std::numeric_limits<float>::infinity();
    for (int scale = std::clamp(scale_about - 1, 0, high); scale <= std::clamp(scale_about + 1, 0, high); ++scale) {
      for (int min = std::clamp(min_about - 1, 0, high); min <= std::clamp(min_about + 1, 0, high); ++min) {
        const float error = affine_error<N>(g, out.d * static_cast<float>(scale), -out.dmin * static_cast<float>(min), top);
        if (!(error < least)) continue;
        least = error;
        out.scale[j] = scale;
        out.min[j] = min;
      }
    }
    total += least;
  }
  return total;
}

// d and dmin that fit the chosen whole numbers and levels best.
template <size_t N>
void refit(const Group& block, float top, AffineBlock<N>& at) noexcept {
  PairSums s;
  for (size_t j = 0; j < 256 / N; ++j) {
    add_group<N>(Group{block.x + j * N, block.w + j * N}, static_cast<float>(at.scale[j]), static_cast<float>(at.min[j]), at.d, at.dmin, top, s);
  }
  const float det = s.aa * s.bb - s.ab * s.ab;
  if (det > 1e-6f * s.aa * s.bb) {
    const float d = (s.xa * s.bb - s.xb * s.ab) / det, dmin = (s.xa * s.ab - s.xb * s.aa) / det;
    if (d > 0 && dmin >= 0) {
      at.d = half(d);
      at.dmin = half(dmin);
      return;
    }
  }
  if (s.aa > 0 && s.bb == 0 && s.xa > 0) at.d = half(s.xa / s.aa);
}

template <size_t N>
AffineBlock<N> find_affine_block(const Group& block, int high, float top) noexcept {
  std::array<Affine, 256 / N> wanted{};
  float scale_max = 0, min_max = 0;
  for (size_t j = 0; j < 256 / N; ++j) {
    wanted[j] = find_affine<N>(Group{block.x + j * N, block.w + j * N}, top, false);
    scale_max = std::max(scale_max, wanted[j].scale);
    min_max = std::max(min_max, -wanted[j].offset);
  }
  AffineBlock<N> best, at;
  at.d = half(scale_max / static_cast<float>(high));
  at.dmin = half(min_max / static_cast<float>(high));
  float best_error = std::numeric_limits<float>::infinity();
  for (int turn = 0; turn < 3; ++turn) {
    const float error = choose_pairs<N>(block, wanted, high, top, at);
    if (error < best_error) {
      best_error = error;
      best = at;
    }
    const AffineBlock<N> before = at;
    refit<N>(block, top, at);
    if (at.d == before.d && at.dmin == before.dmin) break;
  }
  return best;
}

}  // namespace lyceum::kernels::search
