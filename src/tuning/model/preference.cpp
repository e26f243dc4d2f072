#include "tuning/model/preference.h"

#include <algorithm>
#include <cmath>

namespace lyceum::tuning {

namespace {

constexpr double kLeastDoubt = 1e-9;

// log σ(x) without overflow at either end.
double log_sigmoid(double x) noexcept { return x < 0 ? x - std::log1p(std::exp(x)) : -std::log1p(std::exp(-x)); }
double sigmoid(double x) noexcept { return std::exp(log_sigmoid(x)); }

PairSlopes add_margin(const PreferenceOptions& options, double scaled, PreferenceSums& sums) noexcept {
  const double smoothing = options.label_smoothing;
  sums.loss -= (1 - smoothing) * log_sigmoid(scaled) + smoothing * log_sigmoid(-scaled);
  const double slope = options.beta * (smoothing * sigmoid(scaled) - (1 - smoothing) * sigmoid(-scaled));
  return {slope, -slope};
}

PairSlopes add_odds(const PreferenceOptions& options, const AnswerLogps& policy, PreferenceSums& sums) noexcept {
  // An answer the model is sure of has 1 - p = 0: kept away from it.
  const double unsure_chosen = std::max(-std::expm1(policy.chosen), kLeastDoubt), unsure_rejected = std::max(-std::expm1(policy.rejected), kLeastDoubt);
  const double log_odds = (policy.chosen - policy.rejected) - (std::log(unsure_chosen) - std::log(unsure_rejected));
  sums.log_odds += log_odds;
  sums.log_odds_ratio += log_sigmoid(log_odds);
  sums.loss -= options.beta * log_sigmoid(log_odds);
  const double slope = -options.beta * sigmoid(-log_odds);   // d log odds / d log p = 1 / (1 - p)
  return {slope / unsure_chosen, -slope / unsure_rejected};
}

}  // namespace

void PreferenceSums::add(const PreferenceSums& other) noexcept {
  pairs += other.pairs;
  examples = examples || other.examples;
  desirable += other.desirable;
  loss += other.loss;
  chosen_reward += other.chosen_reward;
  rejected_reward += other.rejected_reward;
  accuracy += other.accuracy;
  chosen_logp += other.chosen_logp;
  rejected_logp += other.rejected_logp;
  log_odds += other.log_odds;
  log_odds_ratio += other.log_odds_ratio;
  nll += other.nll;
  nll_tokens += other.nll_tokens;
}

PairSlopes add_pair(const PreferenceOptions& options, const AnswerLogps& policy, const AnswerLogps& reference, PreferenceSums& sums) noexcept {
  const bool orpo = options.loss == PreferenceLoss::orpo;
  const double chosen = options.beta * (policy.chosen - (orpo ? 0 : reference.chosen)), rejected = options.beta * (policy.rejected - (orpo ? 0 : reference.rejected));
  ++sums.pairs;
  sums.chosen_reward += chosen;
  sums.rejected_reward += rejected;
  sums.accuracy += chosen > rejected ? 1 : 0;
  sums.chosen_logp += policy.chosen;
  sums.rejected_logp += policy.rejected;
  return orpo ? add_odds(options, policy, sums) : add_margin(options, chosen - rejected, sums);
}

double add_example(const PreferenceOptions& options, double policy, double reference, double kl, bool desirable, PreferenceSums& sums) noexcept {
  const double ratio = policy - reference, sign = desirable ? 1 : -1;
  const double weight = desirable ? options.desirable_weight : options.undesirable_weight;
  const double value = sigmoid(sign * options.beta * (ratio - kl));
  ++sums.pairs;
  sums.examples = true;
  sums.desirable += desirable;
  sums.loss += weight * (1 - value);
  (desirable ? sums.chosen_reward : sums.rejected_reward) += options.beta * ratio;
  (desirable ? sums.chosen_logp : sums.rejected_logp) += policy;
  return -weight * sign * options.beta * value * (1 - value);
}

}  // namespace lyceum::tuning
