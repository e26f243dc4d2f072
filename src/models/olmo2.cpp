// OLMo 2: norms after attention and MLP instead of before them; one norm over all heads of q and one over those of k.
#include "models/architecture.h"

namespace lyceum::models {

void read_olmo2(const json::object& config, DecoderConfig& out) {
  out.qkv_bias = find_bool(config, "attention_bias").value_or(false);
  out.output_bias = out.qkv_bias;
  if (config.contains("sliding_window") && !config.at("sliding_window").is_null()) refuse_field("sliding_window", config.at("sliding_window"), "OLMo 3 is not implemented");
  out.pre_norms = false;
  out.output_norms = true;
  out.qk_norm = true;
  out.qk_norm_wide = true;
}

}  // namespace lyceum::models
