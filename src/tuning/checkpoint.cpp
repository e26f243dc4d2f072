#include "tuning/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "formats/safetensors.h"

namespace lyceum::tuning {

namespace {

constexpr std::string_view kPrefix = "checkpoint-";

std::map<uint64_t, fs::path> checkpoints_by_step(const fs::path& run_folder) {
  std::map<uint64_t, fs::path> found;
  if (!fs::is_directory(run_folder)) return found;
  for (const auto& entry : fs::directory_iterator(run_folder)) {
    const std::string leaf = entry.path().filename().string();
    uint64_t step = 0;
    if (!leaf.starts_with(kPrefix)) continue;
    const char* last = leaf.data() + leaf.size();
    const auto parsed = std::from_chars(leaf.data() + kPrefix.size(), last, step);
    if (parsed.ec == std::errc() && parsed.ptr == last && fs::exists(entry.path() / "state.json")) found[step] = entry.path();
  }
  return found;
}

// visit(name in the file, dtype, values) for all that a step changes; the same list serves writing and reading.
template <typename Model, typename Visit>
void visit_state(Model& model, const Visit& visit) {
  for (auto& parameter : model.parameters) {
    visit(parameter.name + "#value", "F32", parameter.value);
    if (!parameter.first.empty()) visit(parameter.name + "#first", "F32", parameter.first);
    if (!parameter.second.empty()) visit(parameter.name + "#second", "F32", parameter.second);
    if (!parameter.byte_moments) continue;
    visit(parameter.name + "#first_codes", "U8", parameter.byte_moments->first);
    visit(parameter.name + "#first_scales", "F32", parameter.byte_moments->first_scales);
    visit(parameter.name + "#second_codes", "U8", parameter.byte_moments->second);
    visit(parameter.name + "#second_scales", "F32", parameter.byte_moments->second_scales);
  }
}

}  // namespace

void save_checkpoint(const fs::path& run_folder, const TrainModel& model, const CheckpointState& state) {
  const fs::path target = run_folder / (std::string(kPrefix) + std::to_string(state.step));
  const fs::path partial = run_folder / ("partial-" + std::to_string(state.step));
  fs::remove_all(partial);
  make_folders_durable(partial);
  std::map<std::string, Bytes> tensors;
  std::vector<formats::SafetensorsSpec> specs;
  const auto add = [&](const std::string& tensor_name, const char* dtype, const auto& values) {
    tensors[tensor_name] = std::as_bytes(std::span(values));
    specs.push_back({tensor_name, dtype, {values.size()}});
  };
  visit_state(model, add);
  for (size_t i = 0; i < state.best_values.size(); ++i) add(model.parameters[i].name + "#best", "F32", state.best_values[i]);
  formats::write_safetensors(partial / "state.safetensors", specs, {}, [&](const formats::SafetensorsSpec& spec) { return tensors.at(spec.name); });
  const json::object text = {{"step", state.step},
                             {"epoch", state.cursor.epoch},
                             {"row", state.cursor.row},
                             {"seed", state.seed},
                             {"inputs_sha256", state.inputs_sha256},
                             {"history", state.history},
                             {"evaluations", state.evaluations},
                             {"best_step", state.best_step},
                             {"best_loss", state.best_loss},
                             {"evaluations_since_best", state.evaluations_since_best},
                             {"best_values", !state.best_values.empty()}};
  write_file_durable(partial / "state.json", pretty_json(text));
  fs::remove_all(target);
  rename_durable(partial, target);
}

std::optional<fs::path> find_checkpoint(const fs::path& run_folder) {
  const auto found = checkpoints_by_step(run_folder);
  if (found.empty()) return std::nullopt;
  return found.rbegin()->second;
}

CheckpointState load_checkpoint(const fs::path& folder, TrainModel& model, const std::string& inputs_sha256) {
  const json::value text = parse_json(read_file(folder / "state.json"), (folder / "state.json").string());
  const json::object& object = get_object(text, "state.json");
  CheckpointState state;
  state.step = static_cast<uint64_t>(get_int(object, "step"));
  state.cursor = {static_cast<uint64_t>(get_int(object, "epoch")), static_cast<uint64_t>(get_int(object, "row"))};
  state.seed = object.at("seed").to_number<uint64_t>();
  state.inputs_sha256 = get_string(object, "inputs_sha256");
  if (const json::array* history = find_array(object, "history")) state.history = *history;
  if (state.inputs_sha256 != inputs_sha256) {
    throw Error(Code::conflict, folder.string() + " was written by a run with another recipe, model or data: start in an empty run folder");
  }
  if (const json::array* evaluations = find_array(object, "evaluations")) state.evaluations = *evaluations;
  state.best_step = static_cast<uint64_t>(find_number(object, "best_step").value_or(0));
  state.best_loss = find_number(object, "best_loss").value_or(0);
  state.evaluations_since_best = static_cast<uint64_t>(find_number(object, "evaluations_since_best").value_or(0));
  const formats::SafetensorsFile file(folder / "state.safetensors");
  const auto fill = [&](const std::string& tensor_name, std::string_view dtype, auto& values) {
    const formats::SafetensorsTensor* tensor = file.header().find(tensor_name);
    if (tensor == nullptr || tensor->dtype != dtype || tensor->elements() != values.size()) {
      throw Error(Code::unprocessable, folder.string() + ": tensor " + tensor_name + " is missing or has another shape");
    }
    const Bytes bytes = file.bytes(*tensor);
    std::memcpy(values.data(), bytes.data(), bytes.size());
  };
  visit_state(model, fill);
  if (find_bool(object, "best_values").value_or(false)) {
    for (const Parameter& parameter : model.parameters) fill(parameter.name + "#best", "F32", state.best_values.emplace_back(parameter.size()));
  }
  return state;
}

void prune_checkpoints(const fs::path& run_folder, size_t keep) {
  const auto found = checkpoints_by_step(run_folder);
  size_t left = found.size();
  for (const auto& [step, folder] : found) {
    if (left-- > keep) fs::remove_all(folder);
  }
}

}  // namespace lyceum::tuning
