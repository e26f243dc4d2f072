// adapter_writer.h: a LoRA adapter as PEFT's files: adapter_config.json with every field that PEFT writes, keys sorted, and
// adapter_model.safetensors in F32 with the names base_model.model.<module>.lora_{A,B}.weight and, with DoRA, .lora_magnitude_vector.
#pragma once

#include <filesystem>
#include <string>

#include "tuning/model/train_model.h"

namespace lyceum::tuning {

struct AdapterText {
  std::string base_model;       // base_model_name_or_path
  std::string base_revision;    // commit; empty = null
};

// Throws Error(unprocessable) naming the layer if a B is all zero (it would have no effect) or not finite, after reading the
// written file back.
void write_adapter(const std::filesystem::path& folder, const TrainModel& model, const LoraOptions& options, const AdapterText& text);

// For goldens and continued training: fills the model's A and B from such a folder. Throws Error(unprocessable) naming a missing,
// unexpected or wrongly shaped tensor.
void read_adapter(const std::filesystem::path& folder, TrainModel& model);

}  // namespace lyceum::tuning
