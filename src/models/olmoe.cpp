// OLMoE: Llama's blocks with one norm over all heads of q and one over those of k, and many small experts.
#include "models/architecture.h"

namespace lyceum::models {

void read_olmoe(const json::object& config, DecoderConfig& out) {
  out.qkv_bias = find_bool(config, "attention_bias").value_or(false);
  out.output_bias = out.qkv_bias;
  out.qk_norm = true;
  out.qk_norm_wide = true;
  ExpertsConfig absent;
  absent.count = 64;
  absent.chosen = 8;
  absent.normalise = false;
  read_experts(config, absent, out);
}

}  // namespace lyceum::models
