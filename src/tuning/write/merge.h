// merge.h: a base model and an adapter as one plain model: W + scale * B A for LoRA, row_scale * (W + scale * B A) for DoRA,
// computed in float32 and rounded once to the stored dtype. Everything else of the base is copied byte for byte.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/threads.h"

namespace lyceum::tuning {

struct MergeReport {
  size_t modules = 0;                                 // that the adapter changed
  double largest_relative_change = 0;                 // of |W' - W| / |W| over the modules
  bool untied = false;                                // the adapter is on a tied head, which now has a matrix of its own
  std::map<std::string, std::string> output_sha256;
};

// dtype: "f32", "bf16", "f16", or "" for each tensor's own. The base is a safetensors folder with float weights: a quantised base is
// refused, because what was rounded away once would be rounded again. Throws Error(unprocessable | unsupported) naming the module, also when a
// merged value is not finite in the dtype; out is then left without a model. REQUIRES: out does not exist or is empty.
MergeReport merge_adapter(const std::filesystem::path& base, const std::filesystem::path& adapter, const std::filesystem::path& out, const std::string& dtype,
                          ThreadPool& pool);

}  // namespace lyceum::tuning
