// Gemma 2: norms on both sides of attention and MLP (stored as w - 1), GELU, embeddings times sqrt(hidden), capped scores and logits,
// and a sliding window in every second layer.
#include <algorithm>
#include <cmath>

#include "formats/gguf.h"
#include "models/architecture.h"

namespace lyceum::models {

namespace {

constexpr ModuleNames kNames{.mlp_norm = "pre_feedforward_layernorm"};
constexpr int64_t kLayersOf27B = 46;

}  // namespace

void read_gemma2(const json::object& config, DecoderConfig& out) {
  require_activation(config, "hidden_activation", "gelu_pytorch_tanh");   // hidden_act says "gelu" in old files, and is not what counts
  out.names = &kNames;
  out.qkv_bias = find_bool(config, "attention_bias").value_or(false);
  out.output_bias = out.qkv_bias;
  out.output_norms = true;
  out.norms_minus_one = true;
  out.activation = Activation::gelu_tanh;
  out.embedding_scale = std::sqrt(static_cast<float>(out.hidden));
  out.attention_scale = 1.0f / std::sqrt(read_scale(config, "query_pre_attn_scalar", 256));
  out.attention_softcap = read_softcap(config, "attn_logit_softcapping", 50);
  out.logits_softcap = read_softcap(config, "final_logit_softcapping", 30);
  read_window(config, 4096, out);
  const auto sliding = find_sliding_layers(config, out.layers);
  for (size_t i = 0; i < out.layers; ++i) {
    if (sliding ? !(*sliding)[i] : i % 2 != 0) out.sliding_window[i] = 0;
  }
}

// The file does not say what scores are divided by: the root of a head's size, but of hidden / heads in the largest model.
void read_gemma2_gguf(const formats::GgufHeader& header, json::object& config) {
  const bool largest = header.get_int("gemma2.block_count") == kLayersOf27B;
  const int64_t even = header.get_int("gemma2.embedding_length") / std::max<int64_t>(1, header.get_int("gemma2.attention.head_count"));
  if (config.at("sliding_window").is_null()) config["sliding_window"] = 4096;
  config["query_pre_attn_scalar"] = largest ? even : header.get_int("gemma2.attention.key_length");
}

}  // namespace lyceum::models
