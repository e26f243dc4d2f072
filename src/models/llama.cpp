// Llama 2 and 3, Code Llama, DeepSeek-Coder and everything else that says LlamaForCausalLM.
#include "models/architecture.h"

namespace lyceum::models {

void read_llama(const json::object& config, DecoderConfig& out) {
  out.qkv_bias = find_bool(config, "attention_bias").value_or(false);
  out.output_bias = out.qkv_bias;
  out.mlp_bias = find_bool(config, "mlp_bias").value_or(false);
}

}  // namespace lyceum::models
