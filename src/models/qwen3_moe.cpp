// Qwen3-MoE: Qwen3 with many small experts in place of the MLP.
#include "models/architecture.h"

namespace lyceum::models {

void read_qwen3_moe(const json::object& config, DecoderConfig& out) {
  out.qkv_bias = find_bool(config, "attention_bias").value_or(false);
  out.output_bias = out.qkv_bias;
  out.qk_norm = true;
  if (find_bool(config, "use_sliding_window").value_or(false)) read_window(config, 4096, out);
  ExpertsConfig absent;
  absent.count = 128;
  absent.chosen = 8;
  absent.intermediate = 768;
  absent.normalise = false;
  read_experts(config, absent, out);
}

// Such files do not say it, and llama.cpp always divides by the sum, as all published models do.
void read_qwen3_moe_gguf(const formats::GgufHeader&, json::object& config) { config["norm_topk_prob"] = true; }

}  // namespace lyceum::models
