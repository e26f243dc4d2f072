// adapter.h: a LoRA or DoRA adapter in PEFT's files, over one decoder. For a linear module y = W x + b LoRA adds
// scale * B (A x), A: (r, in), B: (out, r), scale = alpha / r, or alpha / sqrt(r) with use_rslora. DoRA makes it
// y = row_scale * (W x + scale * B (A x)) + b with row_scale = lora_magnitude_vector / |W + scale B A| by row.
//
// What would be silently without effect or wrong elsewhere is refused here: a tensor that belongs to no layer, half a pair, a wrong
// shape, all zeros, a variant (LoftQ, …) that changes the arithmetic.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/decoder.h"

namespace lyceum::engine {

struct LowRank {
  tensor::WeightView a, b;         // empty where the adapter does not touch the module
  float scale = 0;
  std::span<const float> row_scale;   // DoRA, one an output; empty = plain LoRA
};

struct AdapterLayer {
  LowRank q, k, v, o, gate, up, down;
};

struct Adapter {
  std::vector<AdapterLayer> layers;
  LowRank head;
  uint32_t rank_max = 0;
  uint64_t parameters = 0;
  std::vector<std::shared_ptr<void>> storage;
};

// folder: adapter_config.json and adapter_model.safetensors. Throws Error(unprocessable | unsupported) naming field or tensor.
std::shared_ptr<const Adapter> load_peft_adapter(const std::filesystem::path& folder, const models::Decoder& decoder);

}  // namespace lyceum::engine
