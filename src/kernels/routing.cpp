#include "kernels/routing.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/split.h"
#include "kernels/table.h"

namespace lyceum::kernels {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

// The `chosen` highest in ascending order of their numbers, by repeated insertion: both numbers are small.
void choose(const float* ranks, size_t count, size_t chosen, int32_t* experts) noexcept {
  size_t kept = 0;
  for (size_t expert = 0; expert < count; ++expert) {
    size_t place = kept;
    while (place > 0 && ranks[expert] > ranks[experts[place - 1]]) --place;
    if (place == chosen) continue;
    kept = std::min(chosen, kept + 1);
    for (size_t i = kept - 1; i > place; --i) experts[i] = experts[i - 1];
    experts[place] = static_cast<int32_t>(expert);
  }
  std::sort(experts, experts + kept);
}

float rank_of_group(const float* ranks, size_t size, bool two) noexcept {
  float best = kNever, second = kNever;
  for (size_t i = 0; i < size; ++i) {
    if (ranks[i] > best) {
      second = best;
      best = ranks[i];
    } else if (ranks[i] > second) {
      second = ranks[i];
    }
  }
  return two && size > 1 ? best + second : best;
}

// Experts of the other groups rank below all.
void drop_groups(float* ranks, size_t count, const RoutingRule& rule) noexcept {
  float group_ranks[kExpertsMax];
  int32_t kept[kExpertsMax];
  const size_t size = count / rule.groups;
  for (size_t group = 0; group < rule.groups; ++group) group_ranks[group] = rank_of_group(ranks + group * size, size, rule.sigmoid);
  choose(group_ranks, rule.groups, rule.groups_chosen, kept);
  for (size_t group = 0; group < rule.groups; ++group) {
    if (!std::binary_search(kept, kept + rule.groups_chosen, static_cast<int32_t>(group))) std::fill_n(ranks + group * size, size, kNever);
  }
}

// Chances of one row's experts.
struct Chances {
  const float* scores;
  bool sigmoid;
  double top, total;   // softmax: what the exponents are taken off, and their sum

  Chances(const float* row, size_t count, bool with_sigmoid) : scores(row), sigmoid(with_sigmoid), top(static_cast<double>(*std::max_element(row, row + count))), total(0) {
    for (size_t i = 0; i < count && !sigmoid; ++i) total += part(i);
  }
  double part(size_t expert) const { return std::exp(static_cast<double>(scores[expert]) - top); }
  double of(size_t expert) const { return sigmoid ? 1.0 / (1.0 + std::exp(-static_cast<double>(scores[expert]))) : part(expert) / total; }
};

void choose_by_rank(const float* scores, size_t count, const RoutingRule& rule, const Chances& chances, int32_t* experts) noexcept {
  if (rule.bias == nullptr && rule.groups == 1) return choose(scores, count, rule.chosen, experts);   // chances rise with scores
  float ranks[kExpertsMax];
  for (size_t i = 0; i < count; ++i) ranks[i] = static_cast<float>(chances.of(i)) + (rule.bias == nullptr ? 0.0f : rule.bias[i]);
  if (rule.groups > 1) drop_groups(ranks, count, rule);
  choose(ranks, count, rule.chosen, experts);
}

void route_row(const float* scores, size_t count, const RoutingRule& rule, int32_t* experts, float* weights) noexcept {
  const Chances chances(scores, count, rule.sigmoid);
  choose_by_rank(scores, count, rule, chances, experts);
  const auto share = [&](size_t i) { return rule.sigmoid ? chances.of(static_cast<size_t>(experts[i])) : chances.part(static_cast<size_t>(experts[i])); };
  double kept = 0;
  for (size_t i = 0; i < rule.chosen; ++i) kept += share(i);
  const double divisor = rule.normalise ? kept + (rule.sigmoid ? 1e-20 : 0.0) : rule.sigmoid ? 1.0 : chances.total;
  for (size_t i = 0; i < rule.chosen; ++i) weights[i] = static_cast<float>(share(i) / divisor) * rule.scale;
}

}  // namespace

void route(ConstRows scores, const RoutingRule& rule, int32_t* experts, float* weights) noexcept {
  for (size_t row = 0; row < scores.rows; ++row) route_row(scores.row(row), scores.columns, rule, experts + row * rule.chosen, weights + row * rule.chosen);
}

void mix_rows(ThreadPool& pool, ConstRows x, const int32_t* places, const float* weights, size_t chosen, Rows y) noexcept {
  for_grains(pool, y.rows, (chosen + 1) * y.columns, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      std::fill_n(y.row(row), y.columns, 0.0f);
      for (size_t j = row * chosen; j < (row + 1) * chosen; ++j) table().add(x.row(static_cast<size_t>(places[j])), y.row(row), weights[j], y.columns);
    }
  });
}

}  // namespace lyceum::kernels
