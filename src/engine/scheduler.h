// scheduler.h: continuous batching. One thread owns the cache and runs steps; every step takes the next token of each sequence
// that is decoding and, within a budget, prompt tokens of those that are not there yet, in one forward pass.
//
//   waiting ──admit──▶ running: prompt (chunks) ──▶ decoding ──▶ done
//      ▲                  │ no block left: the youngest gives up its blocks and waits again
//      └──────────────────┘ (its tokens so far are recomputed; its text and random state are kept)
//
// Beside the next token of a sequence a step may compute guesses of those after it (prompt_lookup.h, drafter.h): those that sampling confirms, each
// from its own row, are delivered at once; keys and values of the others are overwritten.
//
// While others decode, the prompt budget follows the measured speed so that a step stays near kStepSecondsTarget.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/threads.h"
#include "engine/cached_tokens.h"
#include "engine/drafter.h"
#include "engine/engine.h"
#include "engine/forward.h"
#include "engine/kv_pool.h"
#include "engine/sampler.h"
#include "engine/stop_matcher.h"

namespace lyceum::engine {

// An adapter in use and the name space of its cached prefixes. The base model is {nullptr, kRootBit}.
struct AdapterUse {
  std::shared_ptr<const Adapter> adapter;
  uint64_t root = kRootBit;
};

struct SchedulerOptions {
  KvLayout layout;
  uint64_t kv_bytes_max = 0;
  uint32_t sequences_max = 32;
  uint32_t context = 0;
  uint32_t step_tokens_max = 512;
  Products products = Products::exact;
  bool prompt_lookup = true;
  std::shared_ptr<const models::Decoder> draft;   // writes guesses; null: none. Its token ids mean what the model's do
  size_t draft_guesses = 0;                       // 0 = as many as pay
  std::vector<int32_t> eos_ids;
};

using OnToken = std::function<bool(const GeneratedToken&)>;

class Scheduler {
 public:
  Scheduler(const models::Decoder& decoder, const text::Tokenizer& tokenizer, ThreadPool& pool, SchedulerOptions options);
  ~Scheduler();   // requests that are still there end with Finish::error

  // Blocks until done; any thread. An exception thrown by on_token ends the request and comes out here.
  GenerateResult generate(const GenerateRequest& request, const AdapterUse& adapter, const OnToken& on_token);

 private:
  struct Sequence;
  using SequencePtr = std::shared_ptr<Sequence>;

  void check_request(const GenerateRequest& request) const;
  void loop();
  void admit();
  bool step();                                      // false: nothing could run
  void drop_cancelled();
  size_t prompt_budget() const;
  void plan();
  bool plan_one(const SequencePtr& sequence, size_t rows_max);
  void take_published(Sequence& sequence);
  void look_up(Sequence& sequence);
  void draft();
  void set_guesses(Sequence& sequence, std::span<const int32_t> found);
  size_t guesses_max(const Sequence& sequence) const;   // that its answer may still have
  bool reserve(const SequencePtr& sequence, size_t positions);
  void compute();
  struct Ready {
    SequencePtr sequence;
    size_t row;                                     // of its logits; those of its guesses follow
  };
  void sample_and_deliver(kernels::Rows logits, const std::vector<Ready>& ready);
  void take_right_guesses(Sequence& sequence, kernels::Rows logits, size_t row);
  GeneratedToken sample(Sequence& sequence, std::span<float> logits) const noexcept;   // any thread; id -1: sequence.failure says why there is none
  bool advance(Sequence& sequence, int32_t id) const noexcept;                         // in its grammar; true: nothing may follow
  bool ends(const Sequence& sequence, int32_t id) const;                               // an eos or stop id
  void deliver(Sequence& sequence, GeneratedToken token);
  void call_back(Sequence& sequence, const GeneratedToken& token);
  void finish(Sequence& sequence, Finish reason, std::string error = {});
  void release_blocks(Sequence& sequence);
  void fail_all(const std::string& error);

  const models::Decoder& decoder_;
  const text::Tokenizer& tokenizer_;
  ThreadPool& pool_;
  SchedulerOptions options_;
  KvPool kv_;
  Forward forward_;
  std::unique_ptr<Drafter> drafter_;                // null: no draft model

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::deque<SequencePtr> arrived_;                 // guarded by mutex_, like stopping_ and Sequence::done
  bool stopping_ = false;

  std::deque<SequencePtr> waiting_;                 // from here on: engine thread only
  std::vector<SequencePtr> running_;                // oldest first
  struct Planned {
    SequencePtr sequence;
    size_t rows;                                    // without guesses
  };
  std::vector<Planned> planned_;
  std::unordered_set<BlockKey, BlockKeyHash> computing_;   // full prompt blocks that this step computes
  size_t guesses_left_ = 0;                                // rows that guesses may still take in this step
  double seconds_per_prompt_token_ = 0;
  uint64_t arrivals_ = 0;
  std::thread thread_;
};

}  // namespace lyceum::engine
