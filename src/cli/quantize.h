// quantize.h: the record that `lyceum convert` and `lyceum quantize` leave in their files, and running one again.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/json.h"
#include "cli/command.h"

namespace lyceum::cli {

struct QuantizeRecord {
  std::filesystem::path file;   // the GGUF file that holds it
  json::object record;          // lyceum.lineage
};
// model: a GGUF file, or a folder with one and no safetensors.
std::optional<QuantizeRecord> find_quantize_record(const std::filesystem::path& model);

struct QuantizeInputs {
  std::string base;   // where the record says a local folder or file
  std::string data;   // the calibration text
  unsigned threads = 0;
};
// Makes the file again from the recorded inputs, whose hashes must be the recorded ones. Returns the new file's SHA-256.
std::string repeat_quantize(const QuantizeRecord& record, const QuantizeInputs& inputs, const Globals& globals);

}  // namespace lyceum::cli
