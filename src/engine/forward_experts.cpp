// Mixtures of experts: rows are sorted by expert, so that a layer's experts are two loops over the pool, whatever their number.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/forward.h"
#include "kernels/elementwise.h"
#include "kernels/matmul.h"
#include "kernels/routing.h"

namespace lyceum::engine {

using kernels::ConstRows;
using kernels::Rows;

namespace {

constexpr size_t kRowsMax = 512;   // at once: each takes as much memory as it has experts

template <typename Any>
Any slice(const Any& rows, size_t first, size_t count) {
  return {rows.row(first), count, rows.columns, rows.stride};
}

}  // namespace

void Forward::run_experts(size_t index, ConstRows x) {
  const models::Experts& experts = decoder_.layers[index].experts;
  const Rows mixed = rows_of(mixed_, total_, x.columns);
  for (size_t row = 0; row < total_; row += kRowsMax) {
    const size_t count = std::min(kRowsMax, total_ - row);
    mix_experts(experts, slice(x, row, count), slice(mixed, row, count));
  }
  if (decoder_.config.experts.shared_intermediate != 0) run_shared_expert(experts, x, mixed);
  join_rows(mixed, decoder_.layers[index].mlp_output_norm);
}

void Forward::route_to_experts(const models::Experts& experts, ConstRows x) {
  const models::ExpertsConfig& config = decoder_.config.experts;
  const Rows scores = rows_of(scores_, x.rows, config.count);
  kernels::matmul(pool_, x, experts.router.weight, nullptr, scores);
  choices_.resize(x.rows * config.chosen);
  choice_weights_.resize(choices_.size());
  const kernels::RoutingRule rule{config.chosen, config.normalise, config.sigmoid, reinterpret_cast<const float*>(experts.bias.data), config.groups, config.groups_chosen, config.scale};
  kernels::route(scores, rule, choices_.data(), choice_weights_.data());
  // Counting sort: rows keep their order within an expert.
  std::vector<size_t> next(config.count + 1, 0);
  for (const int32_t expert : choices_) ++next[static_cast<size_t>(expert) + 1];
  for (size_t expert = 0; expert < config.count; ++expert) next[expert + 1] += next[expert];
  by_expert_.clear();
  expert_ends_.clear();
  for (size_t expert = 0; expert < config.count; ++expert) {
    if (next[expert + 1] == next[expert]) continue;
    by_expert_.push_back({expert, next[expert + 1]});
    expert_ends_.push_back(next[expert + 1]);
  }
  places_.resize(choices_.size());
  expert_rows_.resize(choices_.size());
  for (size_t i = 0; i < choices_.size(); ++i) {
    const size_t place = next[static_cast<size_t>(choices_[i])]++;
    places_[i] = static_cast<int32_t>(place);
    expert_rows_[place] = static_cast<int32_t>(i / config.chosen);
  }
}

bool Forward::is_integer(const models::Linear& linear) const noexcept {
  return products_ == Products::integer && kernels::has_integer_product(linear.weight.dtype);
}

// A row's sum runs over its experts in ascending order, whatever else is in the batch.
void Forward::mix_experts(const models::Experts& experts, ConstRows x, Rows y) {
  const models::ExpertsConfig& config = decoder_.config.experts;
  route_to_experts(experts, x);
  const size_t pairs = choices_.size();
  const models::Mlp& any = experts.each[by_expert_.front().expert];
  if (is_integer(any.gate) || is_integer(any.up)) {
    activations_.set(pool_, x);
    expert_activations_.gather(pool_, activations_, expert_rows_, expert_ends_);
  }
  const Rows rows = rows_of(gathered_, pairs, x.columns);
  if (!is_integer(any.gate) || !is_integer(any.up)) {
    for (size_t i = 0; i < pairs; ++i) std::memcpy(rows.row(i), x.row(static_cast<size_t>(expert_rows_[i])), x.columns * sizeof(float));
  }
  const Rows gate = rows_of(gate_, pairs, config.intermediate), up = rows_of(up_, pairs, config.intermediate);
  multiply_experts(experts, &models::Mlp::gate, rows, gate);
  multiply_experts(experts, &models::Mlp::up, rows, up);
  finish_products();
  const Rows middle = activate(gate, up), out = rows_of(expert_out_, pairs, y.columns);
  if (is_integer(any.down)) expert_activations_.set_groups(pool_, middle, expert_ends_);
  multiply_experts(experts, &models::Mlp::down, middle, out);
  finish_products();
  kernels::mix_rows(pool_, out, places_.data(), choice_weights_.data(), config.chosen, y);
}

void Forward::multiply_experts(const models::Experts& experts, models::Linear models::Mlp::*linear, ConstRows x, Rows y) {
  size_t begin = 0;
  for (size_t group = 0; group < by_expert_.size(); ++group) {
    const auto& [expert, end] = by_expert_[group];
    const models::Linear& one = experts.each[expert].*linear;
    const Rows out = slice(y, begin, end - begin);
    if (observer_) observer_(one.weight, slice(x, begin, end - begin));
    if (is_integer(one)) {
      integer_.push_back({one.weight, nullptr, out, kernels::Write::set, 1.0f, group});
    } else {
      grouped_.push_back({slice(x, begin, end - begin), one.weight, out});
    }
    begin = end;
  }
}

void Forward::finish_products() {
  if (!integer_.empty()) kernels::matmul_integer(pool_, expert_activations_, integer_);
  if (!grouped_.empty()) kernels::matmul_grouped(pool_, grouped_);
  integer_.clear();
  grouped_.clear();
}

void Forward::run_shared_expert(const models::Experts& experts, ConstRows x, Rows y) {
  const size_t wide = decoder_.config.experts.shared_intermediate;
  const Rows gate = rows_of(gate_, total_, wide), up = rows_of(up_, total_, wide), out = rows_of(expert_out_, total_, y.columns);
  const kernels::IntegerProduct gates[] = {{experts.shared.gate.weight, nullptr, gate}, {experts.shared.up.weight, nullptr, up}};
  multiply(x, gates);
  const kernels::IntegerProduct down{experts.shared.down.weight, nullptr, out};
  multiply(activate(gate, up), {&down, 1});
  if (!decoder_.config.experts.shared_gate) return kernels::add(pool_, out, y);
  const Rows open = rows_of(scores_, total_, 1);
  kernels::matmul(pool_, x, experts.shared_gate.weight, nullptr, open);
  for (size_t i = 0; i < total_; ++i) {
    kernels::add(pool_, slice(ConstRows(out), i, 1), slice(y, i, 1), 1.0f / (1.0f + std::exp(-open.row(i)[0])));
  }
}

}  // namespace lyceum::engine
