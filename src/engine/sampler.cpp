#include "engine/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

#include "base/error.h"

namespace lyceum::engine {

namespace {

using Candidate = std::pair<float, int32_t>;

bool better(const Candidate& a, const Candidate& b) noexcept { return a.first != b.first ? a.first > b.first : a.second < b.second; }

int32_t index_of_max(std::span<const float> logits) noexcept {
  size_t best = 0;
  for (size_t i = 1; i < logits.size(); ++i) {
    if (logits[i] > logits[best]) best = i;
  }
  return static_cast<int32_t>(best);
}

// Calls take(id) for every token that is allowed, in their order.
template <typename Take>
void for_allowed(std::span<const uint64_t> allowed, size_t vocab, Take take) noexcept {
  if (allowed.empty()) {
    for (size_t i = 0; i < vocab; ++i) take(i);
    return;
  }
  for (size_t word = 0; word < allowed.size(); ++word) {
    for (uint64_t bits = allowed[word]; bits != 0; bits &= bits - 1) {
      const size_t id = word * 64 + static_cast<size_t>(std::countr_zero(bits));
      if (id < vocab) take(id);
    }
  }
}

int32_t best_of(std::span<const float> logits, std::span<const uint64_t> allowed) noexcept {
  if (allowed.empty()) return index_of_max(logits);
  size_t best = logits.size();
  for_allowed(allowed, logits.size(), [&](size_t id) {
    if (best == logits.size() || logits[id] > logits[best]) best = id;
  });
  return static_cast<int32_t>(best);
}

double log_sum_exp(std::span<const float> logits, float max) noexcept {
  double sum = 0;
  for (const float value : logits) sum += std::exp(static_cast<double>(value - max));
  return static_cast<double>(max) + std::log(sum);
}

// The leading candidates whose probabilities reach top_p; candidates are sorted as far as `sorted` and more are sorted as needed.
size_t count_for_top_p(std::vector<Candidate>& candidates, double top_p, double total) noexcept {
  size_t sorted = 0, kept = 0;
  double sum = 0;
  while (kept < candidates.size()) {
    if (kept == sorted) {
      const size_t next = std::min(candidates.size(), sorted == 0 ? size_t{256} : sorted * 4);
      const auto begin = candidates.begin();
      std::partial_sort(begin + static_cast<ptrdiff_t>(sorted), begin + static_cast<ptrdiff_t>(next), candidates.end(), better);
      sorted = next;
    }
    sum += static_cast<double>(candidates[kept++].first);
    if (sum >= top_p * total) break;
  }
  return kept;
}

void require(bool holds, const char* what) {
  if (!holds) throw Error(Code::invalid_argument, what);
}

}  // namespace

void validate(const Sampling& sampling, size_t vocab) {
  require(std::isfinite(sampling.temperature) && sampling.temperature >= 0, "temperature must be 0 or more");
  require(sampling.top_k >= 0, "top_k must be 0 or more");
  require(sampling.top_p > 0 && sampling.top_p <= 1, "top_p must be above 0 and at most 1");
  require(sampling.min_p >= 0 && sampling.min_p <= 1, "min_p must be from 0 to 1");
  require(std::isfinite(sampling.repetition_penalty) && sampling.repetition_penalty > 0, "repetition_penalty must be above 0");
  require(std::isfinite(sampling.presence_penalty), "presence_penalty must be a number");
  require(std::isfinite(sampling.frequency_penalty), "frequency_penalty must be a number");
  require(sampling.top_logprobs >= -1 && sampling.top_logprobs <= 128, "top_logprobs must be at most 128");
  for (const auto& [id, bias] : sampling.logit_bias) {
    if (id < 0 || static_cast<size_t>(id) >= vocab) {
      throw Error(Code::invalid_argument, "logit_bias: token " + std::to_string(id) + " is outside the vocabulary of " + std::to_string(vocab));
    }
    require(!std::isnan(bias), "logit_bias: a bias is not a number");
  }
}

Sampler::Sampler(const Sampling& sampling, std::span<const int32_t> prompt) : sampling_(sampling), rng_(sampling.seed) {
  if (sampling_.repetition_penalty == 1.0f) return;
  for (const int32_t id : prompt) counts_[id].in_prompt = true;
}

void Sampler::accept(int32_t token) {
  const bool penalties = sampling_.repetition_penalty != 1.0f || sampling_.presence_penalty != 0 || sampling_.frequency_penalty != 0;
  if (penalties) ++counts_[token].generated;
}

void Sampler::penalise(std::span<float> logits) const noexcept {
  for (const auto& [id, bias] : sampling_.logit_bias) logits[static_cast<size_t>(id)] += bias;
  for (const auto& [id, count] : counts_) {
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit > 0 ? logit / sampling_.repetition_penalty : logit * sampling_.repetition_penalty;
    if (count.generated == 0) continue;
    logit -= sampling_.presence_penalty + sampling_.frequency_penalty * static_cast<float>(count.generated);
  }
}

int32_t Sampler::draw(std::span<float> logits, std::span<const uint64_t> allowed) noexcept {
  const float max = logits[static_cast<size_t>(best_of(logits, allowed))];
  candidates_.resize(logits.size());
  size_t count = 0;
  for_allowed(allowed, logits.size(), [&](size_t id) { candidates_[count++] = {logits[id], static_cast<int32_t>(id)}; });
  candidates_.resize(count);
  if (sampling_.top_k > 0 && static_cast<size_t>(sampling_.top_k) < candidates_.size()) {
    const auto last = candidates_.begin() + sampling_.top_k;
    std::nth_element(candidates_.begin(), last, candidates_.end(), better);
    candidates_.erase(last, candidates_.end());
    std::sort(candidates_.begin(), candidates_.end(), better);
  }
  double total = 0;
  for (Candidate& each : candidates_) {
    each.first = std::exp((each.first - max) / sampling_.temperature);
    total += static_cast<double>(each.first);
  }
  if (sampling_.top_p < 1.0f) candidates_.resize(count_for_top_p(candidates_, static_cast<double>(sampling_.top_p), total));
  // The most likely token has weight 1, so min_p compares with the weights as they are.
  if (sampling_.min_p > 0) std::erase_if(candidates_, [&](const Candidate& each) { return each.first < sampling_.min_p; });
  total = 0;
  for (const Candidate& each : candidates_) total += static_cast<double>(each.first);
  double left = rng_.uniform() * total;
  for (const Candidate& each : candidates_) {
    left -= static_cast<double>(each.first);
    if (left < 0) return each.second;
  }
  return candidates_.back().second;
}

GeneratedToken Sampler::sample(std::span<float> logits, std::span<const uint64_t> allowed) noexcept {
  GeneratedToken out;
  // Reported probabilities are the model's own, before grammar, penalties and temperature.
  float max = 0;
  double normaliser = 0;
  if (sampling_.top_logprobs >= 0) {
    max = logits[static_cast<size_t>(index_of_max(logits))];
    normaliser = log_sum_exp(logits, max);
    out.top = top_log_probabilities(logits, static_cast<size_t>(sampling_.top_logprobs));
  }
  const bool untouched = sampling_.logit_bias.empty() && counts_.empty();
  std::vector<float> raw;
  if (sampling_.top_logprobs >= 0 && !untouched) raw.assign(logits.begin(), logits.end());
  penalise(logits);
  out.id = sampling_.temperature == 0 ? best_of(logits, allowed) : draw(logits, allowed);
  if (sampling_.top_logprobs >= 0) {
    const float value = raw.empty() ? logits[static_cast<size_t>(out.id)] : raw[static_cast<size_t>(out.id)];
    out.logprob = static_cast<float>(static_cast<double>(value) - normaliser);
  }
  return out;
}

float log_probability(std::span<const float> logits, int32_t id) noexcept {
  const float max = logits[static_cast<size_t>(index_of_max(logits))];
  return static_cast<float>(static_cast<double>(logits[static_cast<size_t>(id)]) - log_sum_exp(logits, max));
}

std::vector<TokenLogprob> top_log_probabilities(std::span<const float> logits, size_t count) {
  std::vector<TokenLogprob> out;
  if (count == 0) return out;
  std::vector<Candidate> all(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) all[i] = {logits[i], static_cast<int32_t>(i)};
  count = std::min(count, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<ptrdiff_t>(count), all.end(), better);
  const double normaliser = log_sum_exp(logits, all.front().first);
  for (size_t i = 0; i < count; ++i) out.push_back({all[i].second, static_cast<float>(static_cast<double>(all[i].first) - normaliser)});
  return out;
}

}  // namespace lyceum::engine
