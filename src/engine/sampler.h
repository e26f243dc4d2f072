// sampler.h: from a row of logits to the next token. Steps, in this order: the tokens that a grammar allows, logit_bias, repetition penalty (transformers' rule, over
// prompt and output), presence and frequency penalties (OpenAI's rules, over the output), temperature, top-k, top-p, min-p, one
// draw. Ties go to the smaller id. The same logits, request and generator state give the same token everywhere.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "engine/engine.h"

namespace lyceum::engine {

// Throws Error(invalid_argument) naming the field; `vocab` bounds the ids of logit_bias.
void validate(const Sampling& sampling, size_t vocab);

class Sampler {
 public:
  Sampler(const Sampling& sampling, std::span<const int32_t> prompt);

  // logits are scratch: overwritten. Does not remember the token: call accept(). allowed: a bit for each token, at least one set; empty: all.
  GeneratedToken sample(std::span<float> logits, std::span<const uint64_t> allowed = {}) noexcept;
  void accept(int32_t token);

 private:
  void penalise(std::span<float> logits) const noexcept;
  int32_t draw(std::span<float> logits, std::span<const uint64_t> allowed) noexcept;

  struct Count {
    bool in_prompt = false;
    uint32_t generated = 0;
  };
  Sampling sampling_;
  Rng rng_;
  std::unordered_map<int32_t, Count> counts_;   // filled only when a penalty is on
  std::vector<std::pair<float, int32_t>> candidates_;
};

// log softmax of one id, and of the `count` most likely ids (most likely first).
float log_probability(std::span<const float> logits, int32_t id) noexcept;
std::vector<TokenLogprob> top_log_probabilities(std::span<const float> logits, size_t count);

}  // namespace lyceum::engine
