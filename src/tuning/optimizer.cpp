#include "tuning/optimizer.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "kernels/dynamic8.h"
#include "kernels/elementwise.h"
#include "kernels/matmul.h"
#include "kernels/optimizer.h"

namespace lyceum::tuning {

namespace {

using kernels::Rows;
using kernels::Write;

constexpr size_t kEightBitsFrom = 4096;   // values of a parameter
constexpr size_t kGrain = 64 * kernels::kDynamic8Block;

// body(begin, end) over grains of whole 8-bit blocks.
template <typename Body>
void for_values(ThreadPool& pool, size_t count, const Body& body) {
  pool.run((count + kGrain - 1) / kGrain, [&](size_t task, unsigned) { body(task * kGrain, std::min(count, (task + 1) * kGrain)); });
}

kernels::AdamW adam_of(const OptimizerOptions& options, const UpdateRates& rates) {
  return {double{rates.learning_rate}, double{options.beta1}, double{options.beta2}, double{options.epsilon}, double{rates.weight_decay}, rates.step, rates.gradient_scale};
}

void adamw(ThreadPool& pool, const OptimizerOptions& options, const UpdateRates& rates, Parameter& parameter) {
  kernels::adamw(pool, adam_of(options, rates), parameter.value, parameter.gradient, parameter.first, parameter.second);
}

void adamw_8bit(ThreadPool& pool, const OptimizerOptions& options, const UpdateRates& rates, Parameter& parameter) {
  ByteMoments& moments = *parameter.byte_moments;
  const kernels::AdamW adam = adam_of(options, rates);
  for_values(pool, parameter.size(), [&](size_t begin, size_t end) {
    const size_t count = end - begin, block = begin / kernels::kDynamic8Block;
    std::vector<float> first(count), second(count);
    const auto &signed_map = kernels::dynamic_map(true), &unsigned_map = kernels::dynamic_map(false);
    kernels::dynamic8_dequantize(signed_map, moments.first.data() + begin, moments.first_scales.data() + block, count, first.data());
    kernels::dynamic8_dequantize(unsigned_map, moments.second.data() + begin, moments.second_scales.data() + block, count, second.data());
    ThreadPool alone(1);
    kernels::adamw(alone, adam, std::span(parameter.value).subspan(begin, count), std::span<const float>(parameter.gradient).subspan(begin, count), first, second);
    kernels::dynamic8_quantize(signed_map, first.data(), count, moments.first.data() + begin, moments.first_scales.data() + block);
    kernels::dynamic8_quantize(unsigned_map, second.data(), count, moments.second.data() + begin, moments.second_scales.data() + block);
  });
}

// Of a value after decay.
float kept_share(const UpdateRates& rates) { return static_cast<float>(1.0 - double{rates.learning_rate} * double{rates.weight_decay}); }

void lion(ThreadPool& pool, const OptimizerOptions& options, const UpdateRates& rates, Parameter& parameter) {
  const float keep = kept_share(rates), rate = rates.learning_rate, beta1 = options.beta1, beta2 = options.beta2;
  const float rest1 = 1.0f - beta1, rest2 = 1.0f - beta2;
  for_values(pool, parameter.size(), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const float gradient = parameter.gradient[i] * rates.gradient_scale;
      const float direction = parameter.first[i] * beta1 + rest1 * gradient;
      const float sign = direction > 0 ? 1.0f : direction < 0 ? -1.0f : 0.0f;
      parameter.value[i] = parameter.value[i] * keep - rate * sign;
      parameter.first[i] = parameter.first[i] * beta2 + rest2 * gradient;
    }
  });
}

// x (rows <= columns) towards the orthogonal matrix nearest to it: five steps of the quintic iteration with Jordan's coefficients.
void orthogonalise(ThreadPool& pool, Rows x) {
  constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;
  constexpr int kSteps = 5;
  const std::span<const float> whole(x.data, x.rows * x.columns);
  const auto norm = static_cast<float>(kernels::global_norm(pool, std::span(&whole, 1)));
  kernels::scale(pool, {x.data, x.rows * x.columns}, 1.0f / std::max(norm, 1e-7f));
  std::vector<float> square(x.rows * x.rows), mix(x.rows * x.rows), next(x.rows * x.columns);
  const auto view = [](const std::vector<float>& values, size_t rows, size_t columns) { return kernels::f32_view(values.data(), rows, columns); };
  for (int step = 0; step < kSteps; ++step) {
    kernels::matmul(pool, x, kernels::f32_view(x.data, x.rows, x.columns), nullptr, {square.data(), x.rows, x.rows});   // A = X Xᵀ
    for (size_t i = 0; i < square.size(); ++i) mix[i] = kB * square[i];
    kernels::matmul(pool, {square.data(), x.rows, x.rows}, view(square, x.rows, x.rows), nullptr, {mix.data(), x.rows, x.rows}, Write::add, kC);   // b A + c A A, A symmetric
    for (size_t i = 0; i < next.size(); ++i) next[i] = kA * x.data[i];
    kernels::matmul_dx(pool, {mix.data(), x.rows, x.rows}, kernels::f32_view(x.data, x.rows, x.columns), {next.data(), x.rows, x.columns}, Write::add);
    std::copy(next.begin(), next.end(), x.data);
  }
}

void muon(ThreadPool& pool, const OptimizerOptions& options, const UpdateRates& rates, Parameter& parameter) {
  const size_t rows = parameter.rows, columns = parameter.columns;
  const float momentum = options.momentum, rest = 1.0f - momentum;
  std::vector<float> update(parameter.size());
  const bool tall = rows > columns;   // then its transpose is brought near an orthogonal matrix
  for_values(pool, parameter.size(), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const float gradient = parameter.gradient[i] * rates.gradient_scale;
      parameter.first[i] += rest * (gradient - parameter.first[i]);
      const float ahead = gradient + momentum * (parameter.first[i] - gradient);   // Nesterov
      update[tall ? i % columns * rows + i / columns : i] = ahead;
    }
  });
  orthogonalise(pool, {update.data(), std::min(rows, columns), std::max(rows, columns)});
  const float keep = kept_share(rates);
  const auto rate = static_cast<float>(double{rates.learning_rate} * 0.2 * std::sqrt(static_cast<double>(std::max(rows, columns))));
  for_values(pool, parameter.size(), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) parameter.value[i] = parameter.value[i] * keep - rate * update[tall ? i % columns * rows + i / columns : i];
  });
}

bool is_table(const TrainModel& model, const Parameter& parameter) {
  return &parameter == model.embedding.weight_parameter || &parameter == model.head.weight_parameter;
}

}  // namespace

OptimizerKind parse_optimizer(std::string_view name) {
  struct Name {
    std::string_view name;
    OptimizerKind kind;
  };
  constexpr Name kNames[] = {{"adamw", OptimizerKind::adamw},           {"adamw_torch", OptimizerKind::adamw},          {"adamw_torch_fused", OptimizerKind::adamw},
                             {"adamw_hf", OptimizerKind::adamw},        {"paged_adamw_32bit", OptimizerKind::adamw},    {"adamw_8bit", OptimizerKind::adamw_8bit},
                             {"adamw_bnb_8bit", OptimizerKind::adamw_8bit}, {"paged_adamw_8bit", OptimizerKind::adamw_8bit}, {"lion", OptimizerKind::lion},
                             {"lion_32bit", OptimizerKind::lion},       {"muon", OptimizerKind::muon}};
  for (const Name& each : kNames) {
    if (each.name == name) return each.kind;
  }
  throw Error(Code::invalid_argument, "recipe: optimizer must be adamw, adamw_8bit, lion or muon, not '" + std::string(name) + "'");
}

void prepare_optimizer_state(TrainModel& model, OptimizerKind kind) {
  for (Parameter& parameter : model.parameters) {
    const size_t count = parameter.size();
    if (kind == OptimizerKind::adamw_8bit && count >= kEightBitsFrom) {
      if (parameter.byte_moments) continue;
      const size_t blocks = kernels::dynamic8_blocks(count);
      // Zeros, as codes of the two maps: what bitsandbytes begins with, codes 0 of scale 0, stands for the same.
      parameter.byte_moments = std::make_unique<ByteMoments>(ByteMoments{std::vector<uint8_t>(count), std::vector<uint8_t>(count), std::vector<float>(blocks), std::vector<float>(blocks)});
      continue;
    }
    const bool one = kind == OptimizerKind::lion || (kind == OptimizerKind::muon && !parameter.vector && !is_table(model, parameter));
    if (parameter.first.size() != count) parameter.first.assign(count, 0.0f);
    if (!one && parameter.second.size() != count) parameter.second.assign(count, 0.0f);
  }
}

void update_parameter(ThreadPool& pool, const OptimizerOptions& options, const UpdateRates& rates, Parameter& parameter) {
  switch (options.kind) {
    case OptimizerKind::lion: return lion(pool, options, rates, parameter);
    case OptimizerKind::muon:
      if (parameter.second.empty()) return muon(pool, options, rates, parameter);
      break;
    case OptimizerKind::adamw_8bit:
      if (parameter.byte_moments) return adamw_8bit(pool, options, rates, parameter);
      break;
    case OptimizerKind::adamw: break;
  }
  adamw(pool, options, rates, parameter);
}

}  // namespace lyceum::tuning
