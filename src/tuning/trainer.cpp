#include "tuning/trainer.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/error.h"
#include "base/random.h"
#include "kernels/optimizer.h"

namespace lyceum::tuning {

Trainer::Trainer(TrainModel& model, RowStream& rows, ThreadPool& pool, const TrainOptions& options)
    : model_(model), rows_(rows), pool_(pool), options_(options), network_(model, pool, options.network) {}

StepReport Trainer::step() {
  StepReport report;
  std::vector<Batch> batches(options_.accumulation);
  for (Batch& batch : batches) {
    for (size_t i = 0; i < options_.rows_per_batch; ++i) append_row(batch, rows_.next());
    report.tokens += batch.tokens();
    report.labels += batch.labels();
  }
  report.step = steps_done_ + 1;
  report.learning_rate = learning_rate(options_.schedule, steps_done_);
  for (Parameter& parameter : model_.parameters) std::fill(parameter.gradient.begin(), parameter.gradient.end(), 0.0f);
  report.loss = run_batches(batches, report);

  std::vector<std::span<const float>> gradients;
  for (const Parameter& parameter : model_.parameters) gradients.emplace_back(parameter.gradient);
  report.gradient_norm = kernels::global_norm(pool_, gradients);
  if (!std::isfinite(report.loss) || !std::isfinite(report.gradient_norm)) {
    throw Error(Code::unprocessable, "the loss is not finite at step " + std::to_string(report.step) + ": lower learning_rate or set max_grad_norm");
  }
  update(report.learning_rate, report.gradient_norm);
  steps_done_ = report.step;
  return report;
}

// The step's loss; gradients are left in the parameters.
double Trainer::run_batches(const std::vector<Batch>& batches, StepReport& report) {
  Rng keys(options_.seed ^ (report.step << 20));
  if (options_.objective == Objective::preference) return run_pairs(batches, keys, report.preference);
  const auto labels = static_cast<double>(std::max<size_t>(1, report.labels));
  double sum = 0;
  for (const Batch& batch : batches) sum += network_.forward_backward(batch, static_cast<float>(1.0 / labels), keys.next() | 1);
  return sum / labels;
}

double Trainer::run_pairs(const std::vector<Batch>& batches, Rng& keys, PreferenceSums& sums) {
  size_t pairs = 0, tokens = 0;
  for (const Batch& batch : batches) {
    pairs += batch.segments.size() / 2;
    for (size_t i = 0; i < batch.segments.size(); i += 2) {   // the chosen documents
      for (uint32_t t = batch.segments[i].begin; t < batch.segments[i].end; ++t) tokens += batch.targets[t] != kNoTarget;
    }
  }
  const double of_pair = 1.0 / static_cast<double>(std::max<size_t>(1, pairs)), of_token = 1.0 / static_cast<double>(std::max<size_t>(1, tokens));
  const bool orpo = options_.preference.loss == PreferenceLoss::orpo;
  for (const Batch& batch : batches) {
    sums.add(network_.preference_forward_backward(batch, options_.preference, static_cast<float>(of_pair), keys.next() | 1, orpo ? static_cast<float>(of_token) : 0.0f));
  }
  return sums.loss * of_pair + sums.nll * of_token;
}

void Trainer::update(double rate, double gradient_norm) {
  // PyTorch's clip_grad_norm_: factor = max / (norm + 1e-6), at most 1.
  double factor = 1.0;
  if (options_.max_gradient_norm > 0) factor = std::min(1.0, options_.max_gradient_norm / (gradient_norm + 1e-6));
  kernels::AdamW adam;
  adam.beta1 = static_cast<float>(options_.beta1);
  adam.beta2 = static_cast<float>(options_.beta2);
  adam.epsilon = static_cast<float>(options_.epsilon);
  adam.step = steps_done_ + 1;
  adam.gradient_scale = static_cast<float>(factor);
  for (Parameter& parameter : model_.parameters) {
    adam.learning_rate = static_cast<float>(parameter.after_a ? rate * options_.loraplus_ratio : rate);
    adam.weight_decay = parameter.decay ? static_cast<float>(options_.weight_decay) : 0.0f;
    kernels::adamw(pool_, adam, parameter.value, parameter.gradient, parameter.first, parameter.second);
  }
  update_dora_norms(model_, pool_);
}

}  // namespace lyceum::tuning
