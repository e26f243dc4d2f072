#include "engine/scheduler.h"

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "engine/prompt_lookup.h"

namespace lyceum::engine {

namespace {

constexpr double kStepSecondsTarget = 0.25;
constexpr size_t kPromptBudgetMin = 32;
constexpr size_t kDraftedMax = 8;        // guesses of the draft model for one sequence
constexpr size_t kGuessRowsMax = 16;   // a step's decoding rows, guesses included: where weights are read from memory they cost little up to there

}  // namespace

struct Scheduler::Sequence {
  Sequence(const GenerateRequest& request_in, const AdapterUse& adapter_in, const OnToken& on_token_in, const text::Tokenizer& tokenizer)
      : request(request_in), adapter(adapter_in), on_token(on_token_in), tokens(request_in.prompt), prompt_tokens(tokens.size()),
        sampler(request_in.sampling, request_in.prompt), decoder(tokenizer, !request_in.show_special), matcher(request_in.stop_strings) {
    cached.parent = adapter.root;
    if (request.constraint) place.emplace(request.constraint);
    result.prompt_tokens = static_cast<uint32_t>(prompt_tokens);
    // The output continues the prompt: its first piece keeps its leading space, and a character may begin in the prompt.
    constexpr size_t kContext = 4;
    if (tokenizer.stream_rule() == text::StreamRule::whole) return;
    for (size_t i = prompt_tokens - std::min(prompt_tokens, kContext); i < prompt_tokens; ++i) decoder.push(tokens[i]);
  }

  size_t left() const noexcept { return tokens.size() - cached.computed; }
  bool decoding() const noexcept { return left() == 1 && tokens.size() > prompt_tokens; }
  bool has_full_block() const noexcept { return cached.has_full_block(tokens); }
  BlockKey next_key() const { return cached.key_at(tokens, cached.computed); }

  const GenerateRequest& request;   // lives in the caller's frame until done
  AdapterUse adapter;
  const OnToken& on_token;
  std::vector<int32_t> tokens;      // prompt, then output
  size_t prompt_tokens;
  uint32_t max_tokens = 0;
  uint64_t rope_length = 0;
  uint64_t arrival = 0;
  CachedTokens cached;

  PromptLookup lookup;
  Drafter::Sequence draft;
  std::vector<int32_t> guesses;     // computed in this step after the last of `tokens`
  bool drafted = false;             // they are the draft model's
  Sampler sampler;
  text::StreamDecoder decoder;
  StopMatcher matcher;
  std::optional<grammar::Matcher> place;   // in the request's grammar
  std::vector<uint64_t> allowed;    // scratch: tokens that may come next
  std::string failure;
  GenerateResult result;
  std::exception_ptr thrown;
  bool finished = false;            // engine thread's view
  bool done = false;                // the caller may go
};

Scheduler::Scheduler(const models::Decoder& decoder, const text::Tokenizer& tokenizer, ThreadPool& pool, SchedulerOptions options)
    : decoder_(decoder), tokenizer_(tokenizer), pool_(pool), options_(std::move(options)), kv_(options_.layout, options_.kv_bytes_max),
      forward_(decoder, pool, &kv_.layout(), options_.products),
      drafter_(options_.draft == nullptr ? nullptr
                                         : std::make_unique<Drafter>(options_.draft, pool, Drafter::Options{.products = options_.products, .vocab = decoder.config.vocab,
                                                                                                            .tokens_max = kv_.blocks_max() * kBlockTokens,
                                                                                                            .guesses = options_.draft_guesses})),
      thread_([this] { loop(); }) {}

Scheduler::~Scheduler() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Scheduler::check_request(const GenerateRequest& request) const {
  validate(request.sampling, decoder_.config.vocab);
  if (request.prompt.empty()) throw Error(Code::invalid_argument, "the prompt has no tokens");
  if (request.max_tokens == 0) throw Error(Code::invalid_argument, "max_tokens must be at least 1");
  for (const int32_t id : request.prompt) {
    if (id < 0 || static_cast<uint32_t>(id) >= decoder_.config.vocab) {
      throw Error(Code::invalid_argument, "token id " + std::to_string(id) + " is outside the model's vocabulary of " + std::to_string(decoder_.config.vocab));
    }
  }
  if (request.prompt.size() >= options_.context) {
    throw Error(Code::invalid_argument, "the prompt has " + std::to_string(request.prompt.size()) + " tokens; this model's context is " +
                                            std::to_string(options_.context) + " with the answer", "context_length_exceeded");
  }
  if (request.prompt.size() >= kv_.blocks_max() * kBlockTokens) {
    throw Error(Code::too_large, "the prompt has " + std::to_string(request.prompt.size()) + " tokens, more than the cache's " +
                                     std::to_string(kv_.blocks_max() * kBlockTokens) + "; raise kv_bytes_max");
  }
}

GenerateResult Scheduler::generate(const GenerateRequest& request, const AdapterUse& adapter, const OnToken& on_token) {
  check_request(request);
  const auto sequence = std::make_shared<Sequence>(request, adapter, on_token, tokenizer_);
  const size_t room = std::min<size_t>(options_.context, kv_.blocks_max() * kBlockTokens) - request.prompt.size();
  sequence->max_tokens = static_cast<uint32_t>(std::min<size_t>(request.max_tokens, room));
  sequence->rope_length = request.prompt.size() + sequence->max_tokens;
  sequence->cached.shareable = may_share(decoder_.config.rope, sequence->rope_length);
  std::unique_lock lock(mutex_);
  if (stopping_) throw Error(Code::unavailable, "the engine is stopping");
  sequence->arrival = arrivals_++;
  arrived_.push_back(sequence);
  wake_.notify_one();
  done_.wait(lock, [&] { return sequence->done; });
  if (sequence->thrown) std::rethrow_exception(sequence->thrown);
  return sequence->result;
}

void Scheduler::loop() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      const bool busy = !running_.empty() || !waiting_.empty();
      if (!busy) wake_.wait(lock, [&] { return stopping_ || !arrived_.empty(); });
      for (auto& sequence : arrived_) waiting_.push_back(std::move(sequence));
      arrived_.clear();
      if (stopping_) {
        lock.unlock();
        return fail_all("the engine is stopping");
      }
    }
    try {
      drop_cancelled();
      admit();
      step();
    } catch (const std::exception& error) {
      fail_all(std::string("the engine failed: ") + error.what());
    }
  }
}

void Scheduler::drop_cancelled() {
  const auto cancelled = [this](const SequencePtr& sequence) {
    const std::atomic<bool>* flag = sequence->request.cancel;
    if (flag == nullptr || !flag->load(std::memory_order_relaxed)) return false;
    finish(*sequence, Finish::cancelled);
    return true;
  };
  std::erase_if(running_, cancelled);
  std::erase_if(waiting_, cancelled);
}

// Oldest first. A sequence comes in when its tokens so far and the next fit into blocks that nobody uses.
void Scheduler::admit() {
  while (!waiting_.empty() && running_.size() < options_.sequences_max) {
    const size_t blocks = waiting_.front()->tokens.size() / kBlockTokens + 1;
    if (!running_.empty() && blocks > kv_.blocks_available()) return;
    const auto place = std::ranges::upper_bound(running_, waiting_.front()->arrival, {}, [](const SequencePtr& each) { return each->arrival; });
    running_.insert(place, waiting_.front());
    waiting_.pop_front();
  }
}

bool Scheduler::step() {
  plan();
  if (planned_.empty()) return false;
  const double started = monotonic_seconds();
  const size_t decoding = static_cast<size_t>(std::ranges::count_if(planned_, [](const Planned& each) { return each.sequence->decoding(); }));
  size_t rows = 0, guesses = 0;
  for (const Planned& each : planned_) {
    rows += each.rows;
    guesses += each.sequence->guesses.size();
  }
  compute();
  if (drafter_ && rows == decoding) drafter_->observe_step(monotonic_seconds() - started, guesses);
  if (rows > decoding && rows - decoding >= kPromptBudgetMin) {
    const double measured = (monotonic_seconds() - started) / static_cast<double>(rows);
    seconds_per_prompt_token_ = seconds_per_prompt_token_ == 0 ? measured : 0.7 * seconds_per_prompt_token_ + 0.3 * measured;
  }
  std::erase_if(running_, [](const SequencePtr& sequence) { return sequence->finished; });
  return true;
}

size_t Scheduler::prompt_budget() const {
  const bool others_decode = std::ranges::any_of(running_, [](const SequencePtr& each) { return each->decoding(); });
  if (!others_decode || seconds_per_prompt_token_ == 0) return options_.step_tokens_max;
  const auto affordable = static_cast<size_t>(kStepSecondsTarget / seconds_per_prompt_token_);
  return std::clamp<size_t>(affordable, std::min<size_t>(kPromptBudgetMin, options_.step_tokens_max), options_.step_tokens_max);
}

// Oldest first, so that whoever gives up its blocks for another has not been planned yet.
void Scheduler::plan() {
  planned_.clear();
  computing_.clear();
  size_t budget = prompt_budget();
  const auto decoding = static_cast<size_t>(std::ranges::count_if(running_, [](const SequencePtr& each) { return each->decoding(); }));
  guesses_left_ = (options_.prompt_lookup || drafter_) && decoding < kGuessRowsMax ? kGuessRowsMax - decoding : 0;
  const std::vector<SequencePtr> order = running_;
  for (const SequencePtr& sequence : order) {
    if (std::ranges::find(running_, sequence) == running_.end()) continue;  // gave up its blocks meanwhile
    if (sequence->decoding()) {
      plan_one(sequence, 1);
    } else if (budget > 0 && plan_one(sequence, budget)) {
      budget -= planned_.back().rows;
    }
  }
  draft();
  // Neighbours with one adapter are computed together.
  std::ranges::stable_sort(planned_, {}, [](const Planned& each) { return each.sequence->adapter.root; });
}

bool Scheduler::plan_one(const SequencePtr& sequence, size_t rows_max) {
  take_published(*sequence);
  // Someone older computes just these tokens now: wait a step and share them.
  if (sequence->has_full_block() && computing_.contains(sequence->next_key())) return false;
  size_t rows = std::min(sequence->left(), rows_max);
  if (rows < sequence->left()) {
    const size_t beyond = (sequence->cached.computed + rows) % kBlockTokens;
    if (beyond < rows) rows -= beyond;  // end at a block border, so that whole blocks can be shared
  }
  if (!reserve(sequence, sequence->cached.computed + rows)) return false;
  look_up(*sequence);
  if (sequence->has_full_block() && rows >= kBlockTokens) computing_.insert(sequence->next_key());
  planned_.push_back({sequence, rows});
  return true;
}

void Scheduler::take_published(Sequence& sequence) {
  const size_t taken = sequence.cached.take_published(kv_, sequence.tokens);
  if (sequence.tokens.size() == sequence.prompt_tokens) sequence.result.cached_prompt_tokens += static_cast<uint32_t>(taken);
}

size_t Scheduler::guesses_max(const Sequence& sequence) const {
  return std::min<size_t>(guesses_left_, sequence.max_tokens - sequence.result.completion_tokens - 1);
}

void Scheduler::look_up(Sequence& sequence) {
  sequence.guesses.clear();
  sequence.drafted = false;
  if (!options_.prompt_lookup || !sequence.decoding() || guesses_left_ == 0) return;
  set_guesses(sequence, sequence.lookup.propose(sequence.tokens, guesses_max(sequence)));
}

// For those whose own text had nothing to offer.
void Scheduler::draft() {
  if (!drafter_) return;
  std::vector<Sequence*> whose;
  for (const Planned& each : planned_) {
    if (each.sequence->decoding() && each.sequence->guesses.empty()) whose.push_back(each.sequence.get());
  }
  if (whose.empty() || guesses_left_ < whose.size()) return;
  const size_t share = std::min(guesses_left_ / whose.size(), kDraftedMax);
  std::vector<Drafter::Ask> asks;
  for (Sequence* sequence : whose) asks.push_back({&sequence->draft, sequence->tokens, sequence->rope_length, std::min(share, guesses_max(*sequence)), {}});
  drafter_->propose(asks);
  for (size_t i = 0; i < whose.size(); ++i) {
    set_guesses(*whose[i], asks[i].guesses);
    whose[i]->drafted = true;
  }
}

// Nobody gives up a block for a guess.
void Scheduler::set_guesses(Sequence& sequence, std::span<const int32_t> found) {
  const auto room = [&] { return sequence.cached.blocks.size() * kBlockTokens - sequence.cached.computed - 1; };
  if (found.size() > room()) sequence.cached.try_reserve(kv_, sequence.cached.blocks.size() * kBlockTokens + 1);
  sequence.guesses.assign(found.begin(), found.begin() + static_cast<ptrdiff_t>(std::min(found.size(), room())));
  guesses_left_ -= sequence.guesses.size();
}

bool Scheduler::reserve(const SequencePtr& sequence, size_t positions) {
  while (!sequence->cached.try_reserve(kv_, positions)) {
    const SequencePtr youngest = running_.back();
    release_blocks(*youngest);
    running_.pop_back();
    waiting_.push_front(youngest);
    if (youngest == sequence) return false;
  }
  return true;
}

void Scheduler::compute() {
  std::vector<int32_t> ids;
  std::vector<ForwardSpan> spans;
  std::vector<size_t> rows;
  std::vector<Ready> ready;
  for (const auto& [sequence, count] : planned_) {
    const auto first = sequence->tokens.begin() + static_cast<ptrdiff_t>(sequence->cached.computed);
    ids.insert(ids.end(), first, first + static_cast<ptrdiff_t>(count));
    if (count == sequence->left()) {
      ready.push_back({sequence, rows.size()});
      for (size_t i = 0; i <= sequence->guesses.size(); ++i) rows.push_back(ids.size() - 1 + i);
    }
    ids.insert(ids.end(), sequence->guesses.begin(), sequence->guesses.end());
    sequence->result.guessed_tokens += static_cast<uint32_t>(sequence->guesses.size());
    const size_t all = count + sequence->guesses.size();
    const std::span<KvBlock* const> blocks(sequence->cached.blocks.data(), (sequence->cached.computed + all + kBlockTokens - 1) / kBlockTokens);
    spans.push_back({all, sequence->cached.computed, sequence->rope_length, sequence->adapter.adapter.get(), blocks});
  }
  forward_.run(ids, spans);
  for (const auto& [sequence, count] : planned_) {
    sequence->cached.computed += count;
    sequence->cached.publish_full_blocks(kv_, sequence->tokens);
  }
  if (!ready.empty()) sample_and_deliver(forward_.logits(rows), ready);
}

void Scheduler::sample_and_deliver(kernels::Rows logits, const std::vector<Ready>& ready) {
  std::vector<GeneratedToken> tokens(ready.size());
  pool_.run(ready.size(), [&](size_t i, unsigned) { tokens[i] = sample(*ready[i].sequence, {logits.row(ready[i].row), logits.columns}); });
  for (size_t i = 0; i < ready.size(); ++i) {
    deliver(*ready[i].sequence, std::move(tokens[i]));
    if (!ready[i].sequence->guesses.empty()) take_right_guesses(*ready[i].sequence, logits, ready[i].row + 1);
  }
}

// The row of a guess holds what follows it, if it was right.
void Scheduler::take_right_guesses(Sequence& sequence, kernels::Rows logits, size_t row) {
  size_t right = 0;
  for (const int32_t guess : sequence.guesses) {
    if (sequence.finished || sequence.tokens.back() != guess) break;
    ++right;
    ++sequence.result.right_guesses;   // before the delivery, which may end the request
    ++sequence.cached.computed;
    sequence.cached.publish_full_blocks(kv_, sequence.tokens);
    deliver(sequence, sample(sequence, {logits.row(row++), logits.columns}));
  }
  if (sequence.drafted) {
    if (!sequence.finished) drafter_->learn(sequence.draft, sequence.guesses.size(), right, sequence.tokens.size());
  } else {
    sequence.lookup.learn(sequence.guesses.size(), right);
  }
  sequence.guesses.clear();
}

bool Scheduler::ends(const Sequence& sequence, int32_t id) const {
  const auto& stops = sequence.request.stop_ids;
  if (std::ranges::find(stops, id) != stops.end()) return true;
  return !sequence.request.ignore_eos && std::ranges::find(options_.eos_ids, id) != options_.eos_ids.end();
}

// Under a grammar a token that ends the answer may come where the text may end, and nowhere else.
GeneratedToken Scheduler::sample(Sequence& sequence, std::span<float> logits) const noexcept {
  if (!sequence.place) return sequence.sampler.sample(logits);
  try {
    sequence.allowed.resize((logits.size() + 63) / 64);
    sequence.place->fill(sequence.allowed);
    const bool may_end = sequence.place->may_end();
    const auto set_end = [&](int32_t id) {
      if (id < 0 || static_cast<size_t>(id) >= logits.size()) return;
      const uint64_t bit = uint64_t{1} << (id % 64);
      uint64_t& word = sequence.allowed[static_cast<size_t>(id) / 64];
      word = may_end ? word | bit : word & ~bit;
    };
    std::ranges::for_each(sequence.request.stop_ids, set_end);
    if (!sequence.request.ignore_eos) std::ranges::for_each(options_.eos_ids, set_end);
    if (std::ranges::any_of(sequence.allowed, [](uint64_t word) { return word != 0; })) return sequence.sampler.sample(logits, sequence.allowed);
    sequence.failure = "no token of this model's vocabulary continues the text as the grammar asks";
  } catch (const std::exception& error) {
    sequence.failure = error.what();
  }
  return {};
}

bool Scheduler::advance(Sequence& sequence, int32_t id) const noexcept {
  if (!sequence.place) return false;
  try {
    if (sequence.place->accept(id)) return sequence.place->must_end();
    sequence.failure = "the grammar nests too deeply to go on";
  } catch (const std::exception& error) {
    sequence.failure = error.what();
  }
  return false;
}

void Scheduler::deliver(Sequence& sequence, GeneratedToken token) {
  const int32_t id = token.id;
  if (!sequence.failure.empty()) return finish(sequence, Finish::stuck, sequence.failure);
  sequence.sampler.accept(id);
  sequence.tokens.push_back(id);
  ++sequence.result.completion_tokens;
  if (ends(sequence, id)) {
    GeneratedToken tail;
    tail.text = sequence.matcher.push(sequence.decoder.finish()) + sequence.matcher.finish();
    if (!tail.text.empty()) call_back(sequence, tail);
    return finish(sequence, Finish::stop);
  }
  const bool whole = advance(sequence, id);
  if (!sequence.failure.empty()) return finish(sequence, Finish::stuck, sequence.failure);
  token.text = sequence.matcher.push(sequence.decoder.push(id));
  const bool full = whole || sequence.result.completion_tokens >= sequence.max_tokens;
  if (full && !sequence.matcher.stopped()) {
    token.text += sequence.matcher.push(sequence.decoder.finish());
    token.text += sequence.matcher.finish();
  }
  call_back(sequence, token);
  if (sequence.finished) return;
  if (sequence.matcher.stopped() || whole) return finish(sequence, Finish::stop);
  if (full) finish(sequence, Finish::length);
}

void Scheduler::call_back(Sequence& sequence, const GeneratedToken& token) {
  try {
    if (!sequence.on_token || sequence.on_token(token)) return;
  } catch (...) {
    sequence.thrown = std::current_exception();
  }
  finish(sequence, Finish::cancelled);
}

void Scheduler::finish(Sequence& sequence, Finish reason, std::string error) {
  if (sequence.finished) return;
  sequence.finished = true;
  release_blocks(sequence);
  if (drafter_) drafter_->release(sequence.draft);
  const std::lock_guard lock(mutex_);
  sequence.result.finish = reason;
  sequence.result.stop_string = sequence.matcher.found();
  sequence.result.error = std::move(error);
  sequence.done = true;
  done_.notify_all();
}

void Scheduler::release_blocks(Sequence& sequence) { sequence.cached.release(kv_, sequence.adapter.root); }

void Scheduler::fail_all(const std::string& error) {
  {
    const std::lock_guard lock(mutex_);
    for (auto& sequence : arrived_) waiting_.push_back(std::move(sequence));
    arrived_.clear();
  }
  for (const auto& sequence : running_) finish(*sequence, Finish::error, error);
  for (const auto& sequence : waiting_) finish(*sequence, Finish::error, error);
  running_.clear();
  waiting_.clear();
  planned_.clear();
}

}  // namespace lyceum::engine
