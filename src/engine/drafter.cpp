#include "engine/drafter.h"

#include <algorithm>

#include "base/clock.h"
#include "engine/kv_layout.h"

namespace lyceum::engine {
namespace {

constexpr size_t kCatchUpTokens = 128;   // of prompts, in one call: a fraction of what the large model spends on a step
constexpr size_t kFirstGuesses = 3;      // before anything was measured
constexpr size_t kPauseMin = 16, kPauseMax = 512;
constexpr double kNewShare = 0.1;        // of a new measurement in a running mean

void blend(double& mean, double value) noexcept { mean = mean < 0 ? value : mean + kNewShare * (value - mean); }

}  // namespace

Drafter::Drafter(std::shared_ptr<const models::Decoder> decoder, ThreadPool& pool, const Options& options)
    : decoder_(std::move(decoder)), layout_(make_kv_layout(*decoder_, EngineOptions::KvType::automatic)),
      kv_(layout_, std::max<uint64_t>(options.tokens_max / kBlockTokens, 1) * layout_.block_bytes()), forward_(*decoder_, pool, &layout_, options.products), options_(options) {
  options_.vocab = std::min(options.vocab, decoder_->config.vocab);
}

void Drafter::observe_step(double seconds, size_t guesses) noexcept {
  if (guesses == 0) {
    blend(step_s_, seconds);
  } else if (step_s_ >= 0) {
    blend(guess_s_, std::max(seconds - step_s_, 0.0) / static_cast<double>(guesses));
  }
}

void Drafter::learn(Sequence& sequence, size_t proposed, size_t accepted, size_t tokens) noexcept {
  for (size_t i = 0; i < accepted; ++i) sequence.right += kNewShare * (1 - sequence.right);
  if (accepted < proposed) sequence.right -= kNewShare * sequence.right;
  if (accepted > 0) sequence.pause = kPauseMin;
  sequence.resume_at = tokens;
}

// The number of guesses that gives the most tokens a second.
size_t Drafter::choose(const Ask& ask) {
  Sequence& sequence = *ask.sequence;
  if (ask.tokens.size() + ask.most > decoder_->config.context) return 0;
  if (options_.guesses != 0) return std::min(ask.most, options_.guesses);
  if (ask.tokens.size() < sequence.resume_at) return 0;
  if (step_s_ < 0) return 0;   // a step without guesses comes first, to compare with
  if (draft_s_ < 0 || guess_s_ < 0) return std::min(ask.most, kFirstGuesses);
  size_t best = 0;
  double tokens = 1, chance = 1, best_rate = 1 / step_s_;
  for (size_t k = 1; k <= ask.most; ++k) {
    chance *= sequence.right;
    tokens += chance;
    const double rate = tokens / (step_s_ + static_cast<double>(k) * (guess_s_ + draft_s_));
    if (rate <= best_rate) continue;
    best_rate = rate;
    best = k;
  }
  if (best == 0) {
    sequence.resume_at = ask.tokens.size() + sequence.pause;
    sequence.pause = std::min(sequence.pause * 2, kPauseMax);
    sequence.right = std::max(sequence.right, 0.7);   // with which it will try again
  }
  return best;
}

void Drafter::release(Sequence& sequence) {
  sequence.cached.release(kv_);
  sequence.fed.clear();
}

// Guesses that came true are computed already. A sequence for which there is no room starts over when there is.
void Drafter::prepare(Ask& ask, size_t wanted, size_t& budget, std::vector<Going>& going) {
  Sequence& sequence = *ask.sequence;
  CachedTokens& cached = sequence.cached;
  cached.shareable = may_share(decoder_->config.rope, ask.rope_length);
  for (const int32_t id : sequence.fed) {
    if (cached.computed + 1 >= ask.tokens.size() || ask.tokens[cached.computed] != id) break;
    ++cached.computed;
  }
  sequence.fed.clear();
  cached.publish_full_blocks(kv_, ask.tokens);
  cached.take_published(kv_, ask.tokens);
  const size_t rows = std::min(ask.tokens.size() - cached.computed, budget);
  if (rows == 0) return;
  if (!cached.try_reserve(kv_, cached.computed + rows + wanted)) return release(sequence);
  budget -= rows;
  going.push_back({&ask, rows, wanted});
}

int32_t Drafter::best(kernels::Rows logits, size_t row) const {
  const float* values = logits.row(row);
  return static_cast<int32_t>(std::max_element(values, values + options_.vocab) - values);
}

// What the small model has not read yet of each request; where that is all of it, the first guess.
void Drafter::run_first(std::vector<Going>& going) {
  std::vector<int32_t> ids;
  std::vector<ForwardSpan> spans;
  std::vector<size_t> last;
  for (const Going& each : going) {
    const CachedTokens& cached = each.ask->sequence->cached;
    const auto first = each.ask->tokens.begin() + static_cast<ptrdiff_t>(cached.computed);
    ids.insert(ids.end(), first, first + static_cast<ptrdiff_t>(each.rows));
    spans.push_back({each.rows, cached.computed, each.ask->rope_length, nullptr, cached.blocks});
    if (cached.computed + each.rows == each.ask->tokens.size()) last.push_back(ids.size() - 1);
  }
  forward_.run(ids, spans);
  for (const Going& each : going) {
    CachedTokens& cached = each.ask->sequence->cached;
    cached.computed += each.rows;
    cached.publish_full_blocks(kv_, each.ask->tokens);
  }
  std::erase_if(going, [](const Going& each) { return each.ask->sequence->cached.computed < each.ask->tokens.size(); });
  if (last.empty()) return;
  const kernels::Rows logits = forward_.logits(last);
  for (size_t i = 0; i < going.size(); ++i) going[i].ask->guesses.push_back(best(logits, i));
}

void Drafter::run_next(std::vector<Going>& going) {
  std::vector<int32_t> ids;
  std::vector<ForwardSpan> spans;
  std::vector<size_t> rows;
  for (const Going& each : going) {
    Sequence& sequence = *each.ask->sequence;
    ids.push_back(each.ask->guesses.back());
    spans.push_back({1, sequence.cached.computed + sequence.fed.size(), each.ask->rope_length, nullptr, sequence.cached.blocks});
    sequence.fed.push_back(ids.back());
    rows.push_back(rows.size());
  }
  forward_.run(ids, spans);
  const kernels::Rows logits = forward_.logits(rows);
  for (size_t i = 0; i < going.size(); ++i) going[i].ask->guesses.push_back(best(logits, i));
}

void Drafter::propose(std::span<Ask> asks) {
  std::vector<Going> going;
  size_t budget = kCatchUpTokens;
  for (Ask& ask : asks) {
    if (const size_t wanted = choose(ask); wanted > 0) prepare(ask, wanted, budget, going);
  }
  if (going.empty()) return;
  run_first(going);
  while (true) {
    std::erase_if(going, [](const Going& each) { return each.ask->guesses.size() >= each.wanted; });
    if (going.empty()) return;
    const double started = monotonic_seconds();
    run_next(going);
    blend(draft_s_, monotonic_seconds() - started);
  }
}

}  // namespace lyceum::engine
