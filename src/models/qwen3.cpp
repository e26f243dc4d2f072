// Qwen3 (dense): RMS norms on the heads of q and k before rotation; biases only where attention_bias says so.
#include "models/architecture.h"

namespace lyceum::models {

void read_qwen3(const json::object& config, DecoderConfig& out) {
  out.qkv_bias = find_bool(config, "attention_bias").value_or(false);
  out.output_bias = out.qkv_bias;
  out.qk_norm = true;
  read_layer_windows(config, out);
}

}  // namespace lyceum::models
