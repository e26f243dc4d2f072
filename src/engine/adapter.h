// adapter.h: a LoRA adapter in PEFT's files, over one decoder. For a linear module y = W x + b the adapter adds
// scale * B (A x), A: (r, in), B: (out, r), scale = alpha / r, or alpha / sqrt(r) with use_rslora.
//
// What would be silently without effect or wrong elsewhere is refused here: a tensor that belongs to no layer, half a pair, a wrong
// shape, all zeros, a variant (DoRA, LoftQ, …) that changes the arithmetic.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "models/decoder.h"

namespace lyceum::engine {

struct LowRank {
  tensor::WeightView a, b;         // empty where the adapter does not touch the module
  float scale = 0;
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
