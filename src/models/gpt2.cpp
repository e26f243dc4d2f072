// GPT-2: layer norms and matrices with biases, an MLP without a gate, a vector for each position instead of rotation. Its checkpoints
// store matrices as (in, out), q, k and v as one.
#include "models/architecture.h"

namespace lyceum::models {

namespace {

constexpr ModuleNames kNames{.embedding = "transformer.wte", .positions = "transformer.wpe", .layers = "transformer.h.", .final_norm = "transformer.ln_f",
                             .input_norm = "ln_1", .mlp_norm = "ln_2", .qkv = "attn.c_attn", .o = "attn.c_proj", .up = "mlp.c_fc", .down = "mlp.c_proj"};

}  // namespace

void rename_gpt2(json::object& config) {
  constexpr std::pair<std::string_view, std::string_view> kFields[] = {
      {"n_layer", "num_hidden_layers"}, {"n_embd", "hidden_size"},           {"n_head", "num_attention_heads"},
      {"n_inner", "intermediate_size"}, {"n_positions", "max_position_embeddings"}, {"layer_norm_epsilon", "norm_epsilon"}};
  for (const auto& [from, to] : kFields) {
    const json::value* value = config.if_contains(from);
    if (value == nullptr || value->is_null()) continue;
    json::value copy = *value;
    config[to] = std::move(copy);
  }
  const auto hidden = find_int(config, "n_embd"), inner = find_int(config, "n_inner");
  if (!hidden) return;
  for (const std::string_view unknown : {"num_key_value_heads", "head_dim"}) config.erase(unknown);   // transformers ignores them, too
  if (!inner && *hidden < (1 << 24)) config["intermediate_size"] = 4 * *hidden;
}

void read_gpt2(const json::object& config, DecoderConfig& out) {
  if (const auto name = find_string(config, "activation_function"); name && *name != "gelu_new" && *name != "gelu_pytorch_tanh") {
    refuse_field("activation_function", *name, "only gelu_new is implemented");
  }
  out.names = &kNames;
  out.norm = NormKind::layer;
  out.norm_epsilon = read_scale(config, "norm_epsilon", 1e-5);
  out.gated = false;
  out.activation = Activation::gelu_tanh;
  out.qkv_bias = out.output_bias = out.mlp_bias = true;
  out.fused_qkv = true;
  out.transposed = true;
  out.learned_positions = true;
  out.layer_rope.assign(out.layers, LayerRope::none);
}

}  // namespace lyceum::models
