// preference.h: the loss of one pair of answers, the first of which is preferred.
//
// DPO (Rafailov et al. 2023, arXiv 2305.18290), with log-probabilities summed over an answer's tokens:
//   h = (log π(chosen) - log π(rejected)) - (log ρ(chosen) - log ρ(rejected))
//   loss = -(1 - ε) log σ(β h) - ε log σ(-β h)
// π: the model with its adapter, ρ: the same model with the adapter off, ε: label smoothing (conservative DPO, Mitchell 2023).
// A reward is β (log π - log ρ).
//
// ORPO (Hong et al. 2024, arXiv 2403.07691), with log-probabilities averaged over an answer's tokens, and no reference:
//   loss = -β log σ(log odds(chosen) - log odds(rejected)),  odds(p) = p / (1 - p)
// beside the ordinary loss of the whole chosen document. A reward is β log π.
//
// KTO (Ethayarajh et al. 2024, arXiv 2402.01306), of single answers that are desirable or not, with r = log π(answer) - log ρ(answer) and
// z = max(0, the mean over the step of r of prompts with answers of other examples), held constant in the gradient:
//   loss = desirable weight * (1 - σ(β (r - z)))   or   undesirable weight * (1 - σ(β (z - r)))
// A reward is β r.
#pragma once

#include <cstddef>

namespace lyceum::tuning {

enum class PreferenceLoss { dpo, orpo, kto };

struct PreferenceOptions {
  PreferenceLoss loss = PreferenceLoss::dpo;
  double beta = 0.1;
  double label_smoothing = 0;   // DPO, in [0, 0.5)
  double desirable_weight = 1, undesirable_weight = 1;   // KTO
};

// Sums over pairs, or over KTO's examples: their desirable ones count as chosen, the others as rejected.
struct PreferenceSums {
  size_t pairs = 0;             // or examples
  bool examples = false;        // KTO
  size_t desirable = 0;         // KTO: of them
  double kl = 0;                // KTO: z of the step
  double loss = 0;
  double chosen_reward = 0, rejected_reward = 0;
  double accuracy = 0;          // pairs whose chosen answer has the higher reward
  double chosen_logp = 0, rejected_logp = 0;
  double log_odds = 0, log_odds_ratio = 0;   // ORPO: log odds(chosen) - log odds(rejected), and log σ of it
  double nll = 0;               // ORPO: -log p over nll_tokens, the chosen documents' tokens
  size_t nll_tokens = 0;
  void add(const PreferenceSums& other) noexcept;
};

// Log-probabilities of a pair's answers: summed for DPO, averaged for ORPO.
struct AnswerLogps {
  double chosen = 0, rejected = 0;
};

// Of a pair's loss with respect to the policy's log-probabilities.
struct PairSlopes {
  double chosen = 0, rejected = 0;
};

// Adds one pair to sums. reference: unused by ORPO.
PairSlopes add_pair(const PreferenceOptions& options, const AnswerLogps& policy, const AnswerLogps& reference, PreferenceSums& sums) noexcept;

// Adds one of KTO's examples; the slope of its loss with respect to the policy's log-probability.
double add_example(const PreferenceOptions& options, double policy, double reference, double kl, bool desirable, PreferenceSums& sums) noexcept;

}  // namespace lyceum::tuning
