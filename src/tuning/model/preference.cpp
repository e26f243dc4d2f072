#include "tuning/model/preference.h"

#include <cmath>

namespace lyceum::tuning {

namespace {

// log σ(x) without overflow at either end.
double log_sigmoid(double x) noexcept { return x < 0 ? x - std::log1p(std::exp(x)) : -std::log1p(std::exp(-x)); }
double sigmoid(double x) noexcept { return std::exp(log_sigmoid(x)); }

}  // namespace

void PreferenceSums::add(const PreferenceSums& other) noexcept {
  pairs += other.pairs;
  loss += other.loss;
  chosen_reward += other.chosen_reward;
  rejected_reward += other.rejected_reward;
  accuracy += other.accuracy;
  chosen_logp += other.chosen_logp;
  rejected_logp += other.rejected_logp;
}

double add_pair(const PreferenceOptions& options, const AnswerLogps& policy, const AnswerLogps& reference, PreferenceSums& sums) noexcept {
  const double chosen = options.beta * (policy.chosen - reference.chosen), rejected = options.beta * (policy.rejected - reference.rejected);
  const double scaled = chosen - rejected, smoothing = options.label_smoothing;
  ++sums.pairs;
  sums.loss -= (1 - smoothing) * log_sigmoid(scaled) + smoothing * log_sigmoid(-scaled);
  sums.chosen_reward += chosen;
  sums.rejected_reward += rejected;
  sums.accuracy += chosen > rejected ? 1 : 0;
  sums.chosen_logp += policy.chosen;
  sums.rejected_logp += policy.rejected;
  return options.beta * (smoothing * sigmoid(scaled) - (1 - smoothing) * sigmoid(-scaled));
}

}  // namespace lyceum::tuning
