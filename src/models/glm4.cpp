// GLM-4: half of each head is turned, neighbouring values together; gate and up are stored as one matrix. The second generation
// (Glm4ForCausalLM) has norms after attention and MLP, too.
#include "models/architecture.h"

namespace lyceum::models {

namespace {

constexpr ModuleNames kNames{.attention_output_norm = "post_self_attn_layernorm", .mlp_output_norm = "post_mlp_layernorm"};

}  // namespace

void read_glm(const json::object& config, DecoderConfig& out) {
  out.qkv_bias = find_bool(config, "attention_bias").value_or(true);
  out.fused_gate_up = true;
  out.rope_adjacent = true;
  read_partial_rotation(config, 0.5, out);
}

void read_glm4(const json::object& config, DecoderConfig& out) {
  read_glm(config, out);
  out.names = &kNames;
  out.output_norms = true;
}

}  // namespace lyceum::models
