#include "tuning/trainer.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/error.h"
#include "base/random.h"
#include "kernels/optimizer.h"
#include "tuning/data/pack.h"

namespace lyceum::tuning {

Trainer::Trainer(TrainModel& model, RowStream& rows, ThreadPool& pool, const TrainOptions& options)
    : model_(model), rows_(rows), pool_(pool), options_(options), network_(model, pool, options.network) {
  prepare_optimizer_state(model, options.optimizer);
}

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
  if (options_.objective == Objective::examples) return run_examples(batches, keys, report.preference);
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

// The KL term is one number for the whole step, so it comes first.
double Trainer::run_examples(const std::vector<Batch>& batches, Rng& keys, PreferenceSums& sums) {
  double gap = 0;
  size_t examples = 0;
  for (const Batch& batch : batches) {
    const Batch other = every_second_segment(batch, 1);
    gap += network_.reference_gap(other);
    examples += other.segments.size();
  }
  const double of_example = 1.0 / static_cast<double>(std::max<size_t>(1, examples)), kl = std::max(0.0, gap * of_example);
  for (const Batch& batch : batches) {
    sums.add(network_.examples_forward_backward(every_second_segment(batch, 0), options_.preference, kl, static_cast<float>(of_example), keys.next() | 1));
  }
  sums.kl = kl;
  return sums.loss * of_example;
}

void Trainer::update(double rate, double gradient_norm) {
  // PyTorch's clip_grad_norm_: factor = max / (norm + 1e-6), at most 1.
  double factor = 1.0;
  if (options_.max_gradient_norm > 0) factor = std::min(1.0, options_.max_gradient_norm / (gradient_norm + 1e-6));
  OptimizerOptions optimizer;
  optimizer.kind = options_.optimizer;
  optimizer.beta1 = static_cast<float>(options_.beta1);
  optimizer.beta2 = static_cast<float>(options_.beta2);
  optimizer.epsilon = static_cast<float>(options_.epsilon);
  for (Parameter& parameter : model_.parameters) {
    UpdateRates rates;
    rates.learning_rate = static_cast<float>(parameter.after_a ? rate * options_.loraplus_ratio : rate);
    rates.weight_decay = parameter.decay ? static_cast<float>(options_.weight_decay) : 0.0f;
    rates.gradient_scale = static_cast<float>(factor);
    rates.step = steps_done_ + 1;
    update_parameter(pool_, optimizer, rates, parameter);
  }
  update_dora_norms(model_, pool_);
}

}  // namespace lyceum::tuning
