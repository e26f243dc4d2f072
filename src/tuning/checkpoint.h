// checkpoint.h: everything a run needs to go on as if it had never stopped, in one folder that appears whole or not at all:
//   checkpoint-<step>/state.safetensors   float32 masters and the optimizer's state of every parameter; the best evaluation's values
//   checkpoint-<step>/state.json          step, data cursor, seed, loss history, hash of recipe and data
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "tuning/data/pack.h"
#include "tuning/model/train_model.h"

namespace lyceum::tuning {

struct CheckpointState {
  uint64_t step = 0;
  Cursor cursor;
  uint64_t seed = 0;
  std::string inputs_sha256;    // of recipe and data: a checkpoint of another run is refused
  json::array history;          // progress lines so far

  // Evaluations on what is held out.
  json::array evaluations;      // [step, loss]
  uint64_t best_step = 0;       // 0 = none yet
  double best_loss = 0;
  uint64_t evaluations_since_best = 0;
  std::vector<std::vector<float>> best_values;   // of the parameters at best_step, in their order; empty unless the run ends with them
};

void save_checkpoint(const std::filesystem::path& run_folder, const TrainModel& model, const CheckpointState& state);
// The newest whole checkpoint of the run; older ones and unfinished leftovers are ignored.
std::optional<std::filesystem::path> find_checkpoint(const std::filesystem::path& run_folder);
// Fills the model's parameters and what the optimizer keeps of them. REQUIRES: prepare_optimizer_state(). Throws Error(conflict) when the checkpoint belongs to other inputs.
CheckpointState load_checkpoint(const std::filesystem::path& folder, TrainModel& model, const std::string& inputs_sha256);
// Keeps the newest `keep` checkpoints.
void prune_checkpoints(const std::filesystem::path& run_folder, size_t keep);

}  // namespace lyceum::tuning
