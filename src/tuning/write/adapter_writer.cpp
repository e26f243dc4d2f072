#include "tuning/write/adapter_writer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "formats/safetensors.h"

namespace lyceum::tuning {

namespace {

constexpr std::string_view kPrefix = "base_model.model.";

json::value whole_if_possible(double number) {
  if (number == std::floor(number)) return static_cast<int64_t>(number);
  return number;
}

// Every field of PEFT 0.21's LoraConfig with its default where ours has nothing to say.
json::object adapter_config(const TrainModel& model, const LoraOptions& options, const AdapterText& text) {
  json::array targets;
  for (const std::string& module : model.lora_modules) targets.emplace_back(module);
  json::object config = {{"alora_invocation_tokens", nullptr}, {"alpha_pattern", json::object{}}, {"arrow_config", nullptr}, {"auto_mapping", nullptr},
          {"bias", "none"}, {"corda_config", nullptr}, {"ensure_weight_tying", false}, {"eva_config", nullptr}, {"exclude_modules", nullptr},
          {"fan_in_fan_out", false}, {"inference_mode", true}, {"init_lora_weights", true}, {"kasa_config", nullptr}, {"layer_replication", nullptr}, {"layers_pattern", nullptr},
          {"layers_to_transform", nullptr}, {"loftq_config", json::object{}}, {"lora_bias", false}, {"lora_ga_config", nullptr}, {"megatron_config", nullptr},
          {"megatron_core", "megatron.core"}, {"modules_to_save", nullptr}, {"monteclora_config", nullptr}, {"peft_type", "LORA"}, {"peft_version", "0.21.2"},
          {"qalora_group_size", 16}, {"r", options.r}, {"rank_pattern", json::object{}}, {"target_parameters", nullptr}, {"task_type", "CAUSAL_LM"},
          {"trainable_token_indices", nullptr}, {"use_bdlora", nullptr}, {"use_dora", options.dora}, {"use_qalora", false}, {"use_rslora", options.rslora}, {"velora_config", nullptr}};
  for (const auto& [key, rank] : options.rank_pattern) config["rank_pattern"].as_object()[key] = static_cast<int64_t>(rank);
  for (const auto& [key, alpha] : options.alpha_pattern) config["alpha_pattern"].as_object()[key] = whole_if_possible(alpha);
  if (!options.full_modules.empty()) config["modules_to_save"] = json::value_from(options.full_modules);
  if (!options.excluded.empty()) config["exclude_modules"] = json::value_from(options.excluded);
  if (!options.layers.empty()) config["layers_to_transform"] = json::value_from(options.layers);
  config["base_model_name_or_path"] = text.base_model;
  config["lora_alpha"] = whole_if_possible(options.alpha);
  config["lora_dropout"] = static_cast<double>(std::round(options.dropout * 1e6f)) / 1e6;
  config["revision"] = text.base_revision.empty() ? json::value(nullptr) : json::value(text.base_revision);
  config["target_modules"] = targets;

  std::vector<std::string> names;
  for (const auto& item : config) names.emplace_back(item.key());
  std::sort(names.begin(), names.end());
  json::object sorted;
  for (const std::string& name : names) sorted[name] = config[name];
  return sorted;
}

void check_effect(const fs::path& file_path) {
  const formats::SafetensorsFile file(file_path);
  for (const formats::SafetensorsTensor& tensor : file.header().tensors) {
    const Bytes bytes = file.bytes(tensor);
    bool zero = true;
    for (size_t i = 0; i < tensor.elements(); ++i) {
      float value;
      std::memcpy(&value, bytes.data() + i * sizeof(float), sizeof(float));
      if (!std::isfinite(value)) throw Error(Code::unprocessable, tensor.name + " holds a value that is not finite: lower learning_rate");
      zero = zero && value == 0.0f;
    }
    if (zero) throw Error(Code::unprocessable, tensor.name + " is all zero after training, so the adapter would have no effect there: was learning_rate 0?");
  }
}

std::vector<uint64_t> shape_of(const Parameter& parameter) {
  if (parameter.vector) return {parameter.columns};
  return {parameter.rows, parameter.columns};
}

std::map<std::string, const Parameter*> by_file_name(const TrainModel& model) {
  std::map<std::string, const Parameter*> out;
  for (const Parameter& parameter : model.parameters) out[std::string(kPrefix) + parameter.name] = &parameter;
  return out;
}

}  // namespace

void write_adapter(const fs::path& folder, const TrainModel& model, const LoraOptions& options, const AdapterText& text) {
  make_folders_durable(folder);
  const auto tensors = by_file_name(model);
  std::vector<formats::SafetensorsSpec> specs;
  for (const auto& [name, parameter] : tensors) specs.push_back({name, "F32", shape_of(*parameter)});
  const fs::path file = folder / "adapter_model.safetensors";
  formats::write_safetensors(file, specs, {{"format", "pt"}},
                             [&](const formats::SafetensorsSpec& spec) { return std::as_bytes(std::span(tensors.at(spec.name)->value)); });
  check_effect(file);
  write_file_durable(folder / "adapter_config.json", pretty_json(adapter_config(model, options, text)));
}

void read_adapter(const fs::path& folder, TrainModel& model) {
  const formats::SafetensorsFile file(folder / "adapter_model.safetensors");
  std::map<std::string, Parameter*> wanted;
  for (Parameter& parameter : model.parameters) wanted[std::string(kPrefix) + parameter.name] = &parameter;
  for (const formats::SafetensorsTensor& tensor : file.header().tensors) {
    const auto found = wanted.find(tensor.name);
    if (found == wanted.end()) throw Error(Code::unprocessable, folder.string() + ": tensor " + tensor.name + " belongs to no adapted layer");
    Parameter& parameter = *found->second;
    if (tensor.dtype != "F32" || tensor.shape != shape_of(parameter)) {
      throw Error(Code::unprocessable, folder.string() + ": tensor " + tensor.name + " has another shape or dtype than its layer needs");
    }
    std::memcpy(parameter.value.data(), file.bytes(tensor).data(), parameter.size() * sizeof(float));
    wanted.erase(found);
  }
  if (!wanted.empty()) throw Error(Code::unprocessable, folder.string() + ": tensor " + wanted.begin()->first + " is missing");
}

}  // namespace lyceum::tuning
