// network.h: the forward and backward pass of a whole decoder over one batch, written out by hand (no autograd tape).
//
//   x ─ norm ─┬ q ─ (norm) ─ rope ┐                  x ─ norm ─┬ gate ┐
//             ├ k ─ (norm) ─ rope ┼ attention ─ o ─ +          └ up ──┴ silu_mul ─ down ─ +
//             └ v ────────────────┘
//
// The logits of a batch are never held whole: rows without a target are skipped, the rest goes through the head in chunks,
// and each chunk's gradient is taken at once. With recompute on, a layer keeps only its input and is run again in the
// backward pass; the numbers are the same either way, because every kernel's bytes depend on its inputs only.
#pragma once

#include <memory>

#include "base/threads.h"
#include "tuning/data/sample.h"
#include "tuning/model/preference.h"
#include "tuning/model/train_model.h"

namespace lyceum::tuning {

struct NetworkOptions {
  bool recompute = false;
  size_t head_chunk_rows = 256;
  double embedding_noise = 0;    // NEFTune's alpha (embedding_noise.h), in passes with gradients; 0 = none
  size_t positions_max = 4096;   // the longest sample that will come
  TrainModel* reference = nullptr;   // of DPO and KTO; null: the model with its adapter off
};

// Not thread-safe; uses all threads of the pool inside. Takes DoRA's row lengths when it is made; who changes A or B later calls
// update_dora_norms().
class Network {
 public:
  Network(TrainModel& model, ThreadPool& pool, const NetworkOptions& options);
  ~Network();

  // The sum of -log p over the batch's targets. Gradients of (gradient_scale * that sum) are added to the parameters'.
  // dropout_key: a number that names this batch (step and place in it); the masks follow from it.
  double forward_backward(const Batch& batch, float gradient_scale, uint64_t dropout_key);
  // A batch of preference pairs: segments 2k and 2k + 1 are a pair's chosen and rejected document. Gradients of (pair_scale * the sum of
  // the pairs' losses + token_scale * -log p of all that is learned of the chosen documents) are added; token_scale is ORPO's.
  // DPO's reference is that of the options. REQUIRES: for DPO, a LoRA model or a reference.
  PreferenceSums preference_forward_backward(const Batch& batch, const PreferenceOptions& options, float pair_scale, uint64_t dropout_key, float token_scale = 0);
  // The same sums, without gradients and without dropout.
  PreferenceSums preference_loss(const Batch& batch, const PreferenceOptions& options);
  // KTO. Of the answers of a batch's documents, log π - log ρ, added up; without gradients and without dropout.
  double reference_gap(const Batch& batch);
  // Gradients of example_scale * the sum of the examples' losses are added. Every segment is an example. REQUIRES: as preference_forward_backward.
  PreferenceSums examples_forward_backward(const Batch& batch, const PreferenceOptions& options, double kl, float example_scale, uint64_t dropout_key);
  // The same sums, without gradients and without dropout.
  PreferenceSums examples_loss(const Batch& batch, const PreferenceOptions& options, double kl);
  // The sum of forward_backward, without gradients and without dropout.
  double loss(const Batch& batch);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lyceum::tuning
