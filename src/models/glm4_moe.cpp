// GLM-4.5 and 4.6, and dots.llm1: grouped-query attention like Llama's, mixtures of experts like DeepSeek-V3's.
#include "formats/gguf.h"
#include "models/architecture.h"

namespace lyceum::models {

namespace {

constexpr ModuleNames kNames{.shared_gate_proj = "mlp.shared_experts.gate_proj", .shared_up = "mlp.shared_experts.up_proj", .shared_down = "mlp.shared_experts.down_proj"};

// Other functions than this one are refused: the shape is DeepSeek-V3's.
void require_sigmoid(const formats::GgufHeader& header, const std::string& prefix, std::optional<int64_t> absent) {
  constexpr int64_t kSigmoid = 2;
  const auto gating = header.find_int(prefix + "expert_gating_func");
  const int64_t value = gating && *gating != 0 ? *gating : absent.value_or(0);
  if (value != kSigmoid) refuse_field(prefix + "expert_gating_func", value, "only 2 (sigmoid) is");
}

}  // namespace

void read_glm4_moe(const json::object& config, DecoderConfig& out) {
  out.names = &kNames;
  out.qkv_bias = find_bool(config, "attention_bias").value_or(false);
  out.qk_norm = find_bool(config, "use_qk_norm").value_or(false);
  read_partial_rotation(config, 0.5, out);
  read_fine_experts(config, {128, 8, 1408, 1, 1, 1, 1, true, true, 1.0}, out);
  read_surplus_layers(config, 1, out);
}

void read_dots1(const json::object& config, DecoderConfig& out) {
  out.names = &kNames;
  out.qkv_bias = find_bool(config, "attention_bias").value_or(false);
  out.output_bias = out.qkv_bias;
  out.qk_norm = true;
  read_fine_experts(config, {.normalise = false, .sigmoid = true}, out);
  // Which layers slide: layer_types, or those from max_window_layers on.
  if (const auto sliding = find_sliding_layers(config, out.layers)) {
    const int64_t window = config.contains("sliding_window") ? find_int(config, "sliding_window").value_or(0) : 4096;
    if (window < 0 || window > UINT32_MAX) refuse_field("sliding_window", window);
    for (size_t i = 0; i < out.layers; ++i) out.sliding_window[i] = (*sliding)[i] ? static_cast<uint32_t>(window) : 0;
    return;
  }
  const int64_t first = find_int(config, "max_window_layers").value_or(62);
  read_window(config, 4096, out);
  for (size_t i = 0; i < out.layers && static_cast<int64_t>(i) < first; ++i) out.sliding_window[i] = 0;
}

void read_glm4_moe_gguf(const formats::GgufHeader& header, json::object& config) {
  require_sigmoid(header, "glm4moe.", 2);
  read_fine_experts_gguf(header, "glm4moe.", config);
  const int64_t surplus = header.find_int("glm4moe.nextn_predict_layers").value_or(0);
  config["num_nextn_predict_layers"] = surplus;
  config["num_hidden_layers"] = header.get_int("glm4moe.block_count") - surplus;
  config["use_qk_norm"] = header.find_tensor("blk.0.attn_q_norm.weight") != nullptr;
}

void read_dots1_gguf(const formats::GgufHeader& header, json::object& config) {
  require_sigmoid(header, "dots1.", std::nullopt);
  read_fine_experts_gguf(header, "dots1.", config);
}

}  // namespace lyceum::models
