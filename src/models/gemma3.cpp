// Gemma 3, text: norms on both sides of attention and MLP (stored as w - 1), head norms, GELU, embeddings times sqrt(hidden), and
// local layers (a sliding window, their own rotation) between global ones.
#include <algorithm>
#include <cmath>

#include "formats/gguf.h"
#include "models/architecture.h"

namespace lyceum::models {

namespace {

constexpr ModuleNames kNames{.mlp_norm = "pre_feedforward_layernorm"};
constexpr int64_t kLayersOf27B = 62;

constexpr double kGlobalTheta = 1e6, kLocalTheta = 1e4;   // transformers' Gemma3TextConfig

std::vector<bool> read_local_layers(const json::object& config, uint32_t layers) {
  if (auto sliding = find_sliding_layers(config, layers)) return *std::move(sliding);
  const int64_t pattern = find_int(config, "sliding_window_pattern").value_or(6);
  if (pattern < 1) refuse_field("sliding_window_pattern", pattern);
  std::vector<bool> local(layers);
  for (size_t i = 0; i < layers; ++i) local[i] = (static_cast<int64_t>(i) + 1) % pattern != 0;
  return local;
}

// rope_parameters by kind of layer (transformers 5), or rope_scaling, rope_theta and rope_local_base_freq (before).
void read_ropes(const json::object& config, DecoderConfig& out) {
  const json::object* nested = find_object(config, "rope_parameters");
  const auto pick = [&](std::string_view kind) { return nested == nullptr ? nullptr : find_object(*nested, kind); };
  const json::object *global = pick("full_attention"), *local = pick("sliding_attention");
  if (nested != nullptr && global == nullptr && local == nullptr) refuse_field("rope_parameters", *nested, "it needs full_attention and sliding_attention");
  if (global == nullptr) global = find_object(config, "rope_scaling");
  build_rope(local == nullptr ? json::object{} : *local, find_number(config, "rope_local_base_freq").value_or(kLocalTheta), out);
  if (out.rope.kind != Rope::Kind::fixed) refuse_field("rope_parameters.sliding_attention", *local, "a rotation that depends on the length is only implemented for global layers");
  out.local_rope = std::move(out.rope);
  build_rope(global == nullptr ? json::object{} : *global, find_number(config, "rope_theta").value_or(kGlobalTheta), out);
}

}  // namespace

void read_gemma3(const json::object& config, DecoderConfig& out) {
  for (const std::string_view field : {"hidden_activation", "hidden_act"}) require_activation(config, field, "gelu_pytorch_tanh");
  out.names = &kNames;
  out.qkv_bias = find_bool(config, "attention_bias").value_or(false);
  out.output_bias = out.qkv_bias;
  out.qk_norm = true;
  out.output_norms = true;
  out.norms_minus_one = true;
  out.activation = Activation::gelu_tanh;
  out.embedding_scale = std::sqrt(static_cast<float>(out.hidden));
  out.attention_scale = 1.0f / std::sqrt(read_scale(config, "query_pre_attn_scalar", 256));
  const int64_t window = find_int(config, "sliding_window").value_or(4096);
  if (window < 1) refuse_field("sliding_window", window);
  const std::vector<bool> local = read_local_layers(config, out.layers);
  out.layer_rope.assign(out.layers, LayerRope::main);
  for (size_t i = 0; i < out.layers; ++i) {
    if (!local[i]) continue;
    out.sliding_window[i] = static_cast<uint32_t>(window);
    out.layer_rope[i] = LayerRope::local;
  }
  read_ropes(config, out);
}

// The file says neither what scores are divided by (as Gemma 2's) nor which layers are local; their rotation only in newer files.
void read_gemma3_gguf(const formats::GgufHeader& header, json::object& config) {
  const bool largest = header.get_int("gemma3.block_count") == kLayersOf27B;
  const int64_t even = header.get_int("gemma3.embedding_length") / std::max<int64_t>(1, header.get_int("gemma3.attention.head_count"));
  config["query_pre_attn_scalar"] = largest ? even : header.get_int("gemma3.attention.key_length");
  json::object global = config.at("rope_parameters").as_object();
  const json::object local{{"rope_type", "default"}, {"rope_theta", header.find_number("gemma3.rope.freq_base_swa").value_or(kLocalTheta)}};
  config["rope_parameters"] = json::object{{"full_attention", std::move(global)}, {"sliding_attention", local}};
}

}  // namespace lyceum::models
