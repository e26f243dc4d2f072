// merge.h: a base model and an adapter as one plain model: W + scale * B A for LoRA, row_scale * (W + scale * B A) for DoRA,
// computed in float32 and rounded once to the stored dtype. Everything else of the base is copied byte for byte.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/threads.h"

namespace lyceum::tuning {

struct MergeOptions {
  std::string dtype;          // "f32", "bf16", "f16"; "" for each tensor's own; "nf4", "nf4-double": linear layers but the head as bitsandbytes stores them in 4 bits
  bool dequantize = false;    // merge into what a base in 4 bits stands for; the result is not quantised
};

struct MergeReport {
  size_t modules = 0;                                 // that the adapter changed
  double largest_relative_change = 0;                 // of |W' - W| / |W| over the modules
  bool untied = false;                                // the adapter is on a tied head, which now has a matrix of its own
  std::map<std::string, std::string> output_sha256;
};

// The base is a safetensors folder with float weights: a quantised base is refused unless dequantize is set, because what was rounded away once
// would be rounded again. Without an adapter (an empty path) the base alone is written in another dtype. Throws Error(unprocessable | unsupported) naming the module, also when a
// merged value is not finite in the dtype; out is then left without a model. REQUIRES: out does not exist or is empty.
MergeReport merge_adapter(const std::filesystem::path& base, const std::filesystem::path& adapter, const std::filesystem::path& out, const MergeOptions& options,
                          ThreadPool& pool);

}  // namespace lyceum::tuning
