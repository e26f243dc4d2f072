// job.h: one tuning or pre-training run, from a folder with spec.json to a folder ready to be committed to the hub.
//
//   run folder/
//     spec.json            what to do (JobSpec); written by the caller
//     data_report.json     what will be trained on, before step one
//     progress.jsonl       one line per event, appended whole
//     checkpoint-<step>/   at most two
//     cancel               created by anyone who wants the run to stop after the current step (removed at start)
//     output/              adapter or model, README.md, lineage.json, recipe.json
//
// Running it again in the same folder goes on from the newest checkpoint with the same bytes as an unbroken run.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "base/json.h"
#include "tuning/recipe.h"

namespace lyceum::tuning {

struct JobSpec {
  Recipe recipe;
  std::filesystem::path base_folder;     // of the base model; empty for pretrain
  std::string base_repo, base_commit;    // for card and lineage; may be empty
  std::filesystem::path data_path;
  std::string data_repo, data_commit;    // if the data comes from the hub
  std::string data_label;                // how card and lineage call private data; never a path
  std::string data_license;              // for the card; may be empty
  std::string program_version;
};
JobSpec load_spec(const std::filesystem::path& run_folder);
void save_spec(const std::filesystem::path& run_folder, const JobSpec& spec);

struct JobOptions {
  unsigned threads = 0;                          // 0 = one per core; does not change the result
  const std::atomic<bool>* cancel = nullptr;
  bool dry_run = false;                          // stop after the data report
  uint64_t checkpoint_seconds = 600;             // a checkpoint at least this often; 0 = only by save_steps
};

struct JobProgress {
  std::string phase;              // "prepare", "tokenizer", "train", "save", "done"
  std::string message;            // for phases other than train
  uint64_t step = 0, steps = 0;
  double loss = 0, learning_rate = 0, gradient_norm = 0;
  double tokens_per_second = 0, seconds_left = 0;
};

struct JobResult {
  bool cancelled = false;         // a checkpoint holds the state
  std::filesystem::path output;
  std::map<std::string, std::string> output_sha256;   // of the weight files
  json::object lineage;
  json::object data_report;
};

// Throws Error. Progress is reported on the calling thread.
JobResult run_job(const std::filesystem::path& run_folder, const JobOptions& options, const std::function<void(const JobProgress&)>& on_progress);

}  // namespace lyceum::tuning
