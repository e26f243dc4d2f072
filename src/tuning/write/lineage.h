// lineage.h: where a trained artefact comes from, as a record that `lyceum reproduce` can follow, and the card people read.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/json.h"
#include "tuning/job.h"

namespace lyceum::tuning {

// Names what the bytes of a result depend on besides the inputs: our numeric rules and the C library's elementary functions.
std::string numeric_profile();

// File name -> SHA-256 of every *.safetensors in a folder.
std::map<std::string, std::string> weight_hashes(const std::filesystem::path& folder);

struct RunFacts {
  uint64_t steps = 0;
  uint64_t tokens_seen = 0;
  double seconds = 0;
  unsigned threads = 0;
  uint64_t trainable_parameters = 0;
  json::array evaluations;      // [step, loss] on what is held out
  uint64_t best_step = 0;       // of them; 0 = no evaluation
  double best_loss = 0;
  bool stopped_early = false;
  json::array history;          // progress records of the steps, thinned by summarise_losses
  json::object data_report;
  json::object fim;             // fim_orders_json() of the result; empty: not measured
  std::map<std::string, std::string> base_sha256, output_sha256;
};

// The recipe as it may be shown to others: where data and base came from as repo ids, never as paths of this machine.
json::object published_recipe(const JobSpec& spec);
// The recipe of such a record, with the rules that held when it was written.
Recipe recorded_recipe(const json::object& lineage);
json::object lineage_record(const JobSpec& spec, const RunFacts& facts);
// Front matter (base_model, tags, library) and a body made of the facts.
std::string model_card(const JobSpec& spec, const RunFacts& facts);

}  // namespace lyceum::tuning
