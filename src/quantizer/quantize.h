// quantize.h: writes a model as a GGUF file of a mix of types.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/threads.h"
#include "quantizer/importance.h"
#include "quantizer/mix.h"
#include "quantizer/source.h"

namespace lyceum::quantizer {

struct QuantizeOptions {
  const Mix* mix = nullptr;
  const Importance* importance = nullptr;   // null: every column counts the same
  bool requantize = false;                  // round again what was rounded once
  std::string name;                         // general.name; empty: as it is
  std::string lineage;                      // JSON for lyceum.lineage; empty: none
};

struct QuantizeReport {
  std::string sha256;
  uint64_t bytes = 0, parameters = 0;
  double bits_per_weight = 0;
  std::map<std::string, size_t> types;            // of tensors
  std::vector<std::string> without_importance;    // matrices rounded below eight bits that the importance has no entry for
};

// Atomic: out appears whole or not at all. Same bytes for any number of threads. progress(values done, of all). Throws Error(conflict) when out exists,
// Error(invalid_argument) when a block-quantised tensor would be rounded again, Error(unsupported) naming what of the model a GGUF file cannot say,
// Error(unprocessable) naming a tensor with a value that is not finite or does not fit.
QuantizeReport quantize(const Source& source, const std::filesystem::path& out, const QuantizeOptions& options, ThreadPool& pool,
                        const std::function<void(uint64_t, uint64_t)>& progress);

// The mix of plain floats that loses nothing: that of most of the model's values.
const Mix& natural_mix(const Source& source);

}  // namespace lyceum::quantizer
