// trainer.h: optimizer steps over a model and a stream of rows.
//
// One step = `accumulation` batches of `rows_per_batch` rows. The loss, and so the gradient, is the mean over the labelled
// tokens of the whole step (with preference pairs or KTO's examples: over those): how the rows are cut into batches changes speed and memory, not the result. The update is the
// optimizer's on float32 masters after clipping by the global norm. For one numeric profile the bytes depend on the seed and the data
// only, not on the number of threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/random.h"
#include "base/threads.h"
#include "tuning/data/pack.h"
#include "tuning/model/network.h"
#include "tuning/optimizer.h"
#include "tuning/schedule.h"

namespace lyceum::tuning {

enum class Objective { next_token, preference, examples };   // examples: KTO

struct TrainOptions {
  Objective objective = Objective::next_token;
  PreferenceOptions preference;
  Schedule schedule;
  size_t rows_per_batch = 1;
  size_t accumulation = 1;
  double weight_decay = 0;
  OptimizerKind optimizer = OptimizerKind::adamw;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double loraplus_ratio = 1;        // LoRA+ (Hayou et al. 2024, arXiv 2402.12354): the rate of what follows A over that of A
  double max_gradient_norm = 1.0;   // 0 = no clipping
  uint64_t seed = 42;
  NetworkOptions network;
};

struct StepReport {
  uint64_t step = 0;        // 1 for the first
  double loss = 0;          // mean -log p over the step's labelled tokens
  double learning_rate = 0;
  double gradient_norm = 0; // before clipping
  size_t tokens = 0;
  size_t labels = 0;
  PreferenceSums preference;   // sums over the step's pairs; pairs == 0 for next-token training
};

// Not thread-safe. The model, the stream and the pool outlive it.
class Trainer {
 public:
  Trainer(TrainModel& model, RowStream& rows, ThreadPool& pool, const TrainOptions& options);

  // Throws Error(unprocessable) when the loss or the gradient is not finite; the parameters are then as before the step.
  StepReport step();
  uint64_t steps_done() const noexcept { return steps_done_; }
  void set_steps_done(uint64_t steps) noexcept { steps_done_ = steps; }
  Network& network() noexcept { return network_; }

 private:
  double run_batches(const std::vector<Batch>& batches, StepReport& report);
  double run_examples(const std::vector<Batch>& batches, Rng& keys, PreferenceSums& sums);
  double run_pairs(const std::vector<Batch>& batches, Rng& keys, PreferenceSums& sums);
  void update(double rate, double gradient_norm);

  TrainModel& model_;
  RowStream& rows_;
  ThreadPool& pool_;
  TrainOptions options_;
  Network network_;
  uint64_t steps_done_ = 0;
};

}  // namespace lyceum::tuning
