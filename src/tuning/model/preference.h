// preference.h: direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290) of one pair of answers:
//
//   h = (log π(chosen) - log π(rejected)) - (log ρ(chosen) - log ρ(rejected))
//   loss = -(1 - ε) log σ(β h) - ε log σ(-β h)
//
// π: the model with its adapter, ρ: the same model with the adapter off, ε: label smoothing (conservative DPO, Mitchell 2023).
// A reward is β (log π - log ρ) of an answer; the log-probabilities are sums over its labelled tokens.
#pragma once

#include <cstddef>

namespace lyceum::tuning {

struct PreferenceOptions {
  double beta = 0.1;
  double label_smoothing = 0;   // in [0, 0.5)
};

// Sums over pairs.
struct PreferenceSums {
  size_t pairs = 0;
  double loss = 0;
  double chosen_reward = 0, rejected_reward = 0;
  double accuracy = 0;          // pairs whose chosen answer has the higher reward
  double chosen_logp = 0, rejected_logp = 0;
  void add(const PreferenceSums& other) noexcept;
};

struct AnswerLogps {
  double chosen = 0, rejected = 0;
};

// Adds one pair to sums; returns the slope of its loss with respect to log π(chosen) (that of rejected is its negative).
double add_pair(const PreferenceOptions& options, const AnswerLogps& policy, const AnswerLogps& reference, PreferenceSums& sums) noexcept;

}  // namespace lyceum::tuning
