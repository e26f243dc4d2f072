// StarCoder2: layer norms and matrices with biases, an MLP without a gate, a sliding window.
#include "models/architecture.h"

namespace lyceum::models {

namespace {

constexpr ModuleNames kNames{.up = "mlp.c_fc", .down = "mlp.c_proj"};

}  // namespace

void read_starcoder2(const json::object& config, DecoderConfig& out) {
  require_activation(config, "hidden_act", "gelu_pytorch_tanh");
  out.names = &kNames;
  out.norm = NormKind::layer;
  out.norm_epsilon = read_scale(config, "norm_epsilon", 1e-5);
  out.gated = false;
  out.activation = Activation::gelu_tanh;
  out.qkv_bias = out.output_bias = out.mlp_bias = find_bool(config, "use_bias").value_or(true);
  read_window(config, 0, out);
}

}  // namespace lyceum::models
