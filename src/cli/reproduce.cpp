// lyceum reproduce: reads a repository's lineage record (or that inside a quantised file), fetches the same inputs at the same commits, runs the job again and
// compares the hashes of the weights.
#include <iostream>

#include "cli/quantize.h"
#include "cli/run_folder.h"
#include "tuning/write/lineage.h"

namespace lyceum::cli {
namespace {

struct Args {
  std::string repo, data, base;
  unsigned threads = 0;
};

std::string text_of(const json::object& object, std::string_view key) { return find_string(object, key).value_or(""); }

// The base at the recorded commit, checked against the recorded digests.
void open_base(const Args& args, const json::object& lineage, tuning::JobSpec& spec, const Globals& globals) {
  const json::object* base = find_object(lineage, "base");
  if (base == nullptr) return;
  spec.base_repo = text_of(*base, "repo");
  spec.base_commit = text_of(*base, "commit");
  if (spec.base_repo.empty() && args.base.empty()) {
    throw Error(Code::invalid_argument, "the base model was a local folder; name it with --base");
  }
  spec.base_folder = open_model(args.base.empty() ? spec.base_repo + "@" + spec.base_commit : args.base, globals).folder;
  const auto found = tuning::weight_hashes(spec.base_folder);
  for (const auto& pair : base->at("weights_sha256").as_object()) {
    const auto it = found.find(std::string(pair.key()));
    if (it == found.end() || it->second != pair.value().as_string()) {
      throw Error(Code::unprocessable, "the base model's " + std::string(pair.key()) + " is not the one recorded: its SHA-256 differs");
    }
  }
}

void open_recorded_data(const Args& args, const json::object& lineage, tuning::JobSpec& spec, const fs::path& run_folder, const Globals& globals) {
  const json::object& data = get_object(lineage.at("data"), "lineage data");
  const std::string repo = text_of(data, "repo");
  if (repo.empty() && args.data.empty()) {
    throw Error(Code::invalid_argument, "the data (" + text_of(data, "label") + ") is not on the hub; name it with --data");
  }
  const DataSource source = open_data(args.data.empty() ? "datasets/" + repo + "@" + text_of(data, "commit") : args.data, run_folder, globals);
  spec.data_path = source.path;
  spec.data_repo = repo;
  spec.data_commit = text_of(data, "commit");
  spec.data_label = text_of(data, "label");
}

void check_profile(const json::object& lineage, const Globals& globals) {
  const std::string recorded = text_of(lineage, "numeric_profile");
  const std::string here = tuning::numeric_profile();
  if (recorded.empty()) return;   // nothing in it depends on that
  if (recorded != here && !globals.json) {
    std::cerr << "note: recorded with numeric profile " << recorded << ", this machine has " << here << "; the hash may differ for that reason\n";
  }
}

int reproduce_quantized(const Args& args, const QuantizeRecord& record, const Globals& globals) {
  check_profile(record.record, globals);
  const std::string wanted = sha256_file_hex(record.file), found = repeat_quantize(record, {args.base, args.data, args.threads}, globals);
  const bool same = wanted == found;
  if (globals.json) {
    print_json(json::object{{"repo", args.repo}, {"reproduced", same}, {"recorded_sha256", wanted}, {"sha256", found}});
  } else {
    std::cout << (same ? "reproduced: same hash " : "not reproduced (same inputs, other bytes): ") << found << "\n";
  }
  return same ? 0 : 6;
}

int reproduce(const Args& args, const Globals& globals) {
  const Snapshot snapshot = open_model(args.repo, globals);
  if (const auto quantised = find_quantize_record(snapshot.folder)) return reproduce_quantized(args, *quantised, globals);
  const fs::path record = snapshot.folder / "lineage.json";
  if (!fs::exists(record)) throw Error(Code::not_found, args.repo + " has no lineage.json: it was not trained with Lyceum, so there is nothing to run again");
  const json::value value = parse_json(read_file(record, 16u << 20), "lineage.json");
  const json::object& lineage = get_object(value, "lineage.json");
  check_profile(lineage, globals);
  const fs::path run_folder = make_run_folder("reproduce");
  tuning::JobSpec spec;
  spec.recipe = tuning::recorded_recipe(lineage);
  spec.program_version = LYCEUM_VERSION;
  open_base(args, lineage, spec, globals);
  open_recorded_data(args, lineage, spec, run_folder, globals);
  tuning::save_spec(run_folder, spec);
  const json::object result = run_job_process(run_folder, {args.threads, false}, globals);
  const json::object& now = get_object(result.at("lineage"), "lineage");
  const std::string wanted_data = text_of(lineage.at("data").as_object(), "manifest_sha256");
  const std::string found_data = text_of(now.at("data").as_object(), "manifest_sha256");
  const json::value& wanted = lineage.at("outputs_sha256");
  const json::value& found = now.at("outputs_sha256");
  const bool same = wanted == found;
  std::string reason;
  if (!same) {
    if (wanted_data != found_data) {
      reason = "the data is not the same: its manifest hash differs";
    } else if (text_of(lineage, "numeric_profile") != tuning::numeric_profile()) {
      reason = "the numeric profile differs";
    } else {
      reason = "same inputs, same numeric profile, other bytes";
    }
  }
  const json::object& outputs = found.as_object();
  json::object report{{"repo", args.repo}, {"reproduced", same}, {"recorded_sha256", wanted}, {"outputs_sha256", found}, {"run_folder", run_folder.string()}};
  if (!outputs.empty()) report["sha256"] = outputs.begin()->value();
  if (!same) report["reason"] = reason;
  if (globals.json) {
    print_json(report);
  } else {
    std::cout << (same ? "reproduced: same hash " : "not reproduced (" + reason + "): ") << json::serialize(found) << "\n";
  }
  return same ? 0 : 6;
}

}  // namespace

void configure_reproduce(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("repo", args->repo, "the trained or quantised repository: owner/name[@revision], a folder with lineage.json, or a GGUF file").required();
  options.add_option("--data", args->data, "the training data or calibration text, when it is private: the same folder or file");
  options.add_option("--base", args->base, "the base model, when it was a local folder or file");
  options.add_option("--threads", args->threads, "0 = one per core; the result does not depend on it");
  options.callback([args, &globals, &run] { run = [args, &globals] { return reproduce(*args, globals); }; });
}

}  // namespace lyceum::cli
