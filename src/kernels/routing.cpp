#include "kernels/routing.h"

#include <algorithm>
#include <cmath>

namespace lyceum::kernels {
namespace {

// The `chosen` highest, by repeated insertion: both numbers are small.
void choose(const float* scores, size_t count, size_t chosen, int32_t* experts) noexcept {
  size_t kept = 0;
  for (size_t expert = 0; expert < count; ++expert) {
    size_t place = kept;
    while (place > 0 && scores[expert] > scores[experts[place - 1]]) --place;
    if (place == chosen) continue;
    kept = std::min(chosen, kept + 1);
    for (size_t i = kept - 1; i > place; --i) experts[i] = experts[i - 1];
    experts[place] = static_cast<int32_t>(expert);
  }
  std::sort(experts, experts + kept);
}

void route_row(const float* scores, size_t count, size_t chosen, bool normalise, int32_t* experts, float* weights) noexcept {
  choose(scores, count, chosen, experts);
  const double top = static_cast<double>(*std::max_element(scores, scores + count));
  double total = 0, kept = 0;
  for (size_t i = 0; i < count; ++i) total += std::exp(static_cast<double>(scores[i]) - top);
  for (size_t i = 0; i < chosen; ++i) kept += std::exp(static_cast<double>(scores[experts[i]]) - top);
  for (size_t i = 0; i < chosen; ++i) weights[i] = static_cast<float>(std::exp(static_cast<double>(scores[experts[i]]) - top) / (normalise ? kept : total));
}

}  // namespace

void route(ConstRows scores, size_t chosen, bool normalise, int32_t* experts, float* weights) noexcept {
  for (size_t row = 0; row < scores.rows; ++row) {
    route_row(scores.row(row), scores.columns, chosen, normalise, experts + row * chosen, weights + row * chosen);
  }
}

}  // namespace lyceum::kernels
