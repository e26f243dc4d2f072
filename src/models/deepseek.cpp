// DeepSeek-V2, V2-Lite, V3 and R1: latent attention and fine-grained mixtures of experts. Also GLM-4.7-Flash, which has V3's blocks.
// DeepSeek-AI, "DeepSeek-V2" (2024), section 2.1.
#include <cmath>

#include "formats/gguf.h"
#include "models/architecture.h"

namespace lyceum::models {

namespace {

// YaRN's second factor: scores are multiplied with the square of what stretching does to them (mscale_all_dim).
float score_scale(const json::object& config, uint32_t head_dim) {
  const double plain = 1.0 / std::sqrt(static_cast<double>(head_dim));
  const json::object* rope = find_object(config, "rope_scaling");
  if (rope == nullptr) rope = find_object(config, "rope_parameters");
  if (rope == nullptr) return static_cast<float>(plain);
  const double all = find_number(*rope, "mscale_all_dim").value_or(0), factor = find_number(*rope, "factor").value_or(1);
  const std::string kind = find_string(*rope, "rope_type").value_or(find_string(*rope, "type").value_or("default"));
  if (kind == "default" || all == 0 || factor <= 1) return static_cast<float>(plain);
  const double stretched = 0.1 * all * std::log(factor) + 1.0;
  return static_cast<float>(plain * stretched * stretched);
}

struct LatentSizes {
  int64_t query_rank, nope, value;
};

void read_latent(const json::object& config, const LatentSizes& absent, DecoderConfig& out) {
  LatentConfig& latent = out.latent;
  latent.rank = read_size(config, "kv_lora_rank", 512);
  const json::value* query_rank = config.if_contains("q_lora_rank");
  const bool direct = query_rank != nullptr && query_rank->is_null();
  latent.query_rank = direct ? 0 : read_size(config, "q_lora_rank", absent.query_rank);
  latent.nope = read_size(config, "qk_nope_head_dim", absent.nope);
  latent.rope = read_size(config, "qk_rope_head_dim", 64);
  latent.value = read_size(config, "v_head_dim", absent.value);
  out.head_dim = latent.nope + latent.rope;
  out.rotary_dim = latent.rope;
  out.kv_heads = 1;
  out.qkv_bias = find_bool(config, "attention_bias").value_or(false);
  out.output_bias = out.qkv_bias;
  out.rope_adjacent = find_bool(config, "rope_interleave").value_or(true);
  out.attention_scale = score_scale(config, out.head_dim);
}

constexpr ModuleNames kNames{.shared_gate_proj = "mlp.shared_experts.gate_proj", .shared_up = "mlp.shared_experts.up_proj", .shared_down = "mlp.shared_experts.down_proj"};

// What a checkpoint says of its router must be what its architecture computes.
void require_text(const json::object& config, std::string_view field, std::initializer_list<std::string_view> known) {
  const auto value = find_string(config, field);
  if (!value) return;
  for (const std::string_view each : known) {
    if (*value == each) return;
  }
  refuse_field(field, *value);
}

}  // namespace

void read_deepseek_v2(const json::object& config, DecoderConfig& out) {
  out.names = &kNames;
  read_latent(config, {1536, 128, 128}, out);
  if (find_bool(config, "mlp_bias").value_or(false)) refuse_field("mlp_bias", true);
  require_text(config, "scoring_func", {"softmax"});
  require_text(config, "topk_method", {"greedy", "group_limited_greedy"});
  FineExperts absent;
  absent.count = 64;
  absent.intermediate = 1407;
  absent.shared = 2;
  read_fine_experts(config, absent, out);
  if (find_string(config, "topk_method").value_or("greedy") == "greedy") out.experts.groups = out.experts.groups_chosen = 1;
  // transformers' class and the model's own code disagree, and no published file says so.
  if (out.experts.normalise) refuse_field("norm_topk_prob", true, "this architecture is implemented without it");
}

void read_deepseek_v3(const json::object& config, DecoderConfig& out) {
  out.names = &kNames;
  read_latent(config, {1536, 128, 128}, out);
  require_text(config, "scoring_func", {"sigmoid"});
  require_text(config, "topk_method", {"noaux_tc"});
  FineExperts absent{256, 8, 2048, 1, 3, 8, 4, true, true, 2.5};
  read_fine_experts(config, absent, out);
  read_surplus_layers(config, 1, out);
}

void read_glm4_moe_lite(const json::object& config, DecoderConfig& out) {
  out.names = &kNames;
  read_latent(config, {768, 192, 256}, out);
  require_text(config, "topk_method", {"noaux_tc"});
  FineExperts absent{64, 4, 1536, 1, 1, 1, 1, true, true, 1.8};
  read_fine_experts(config, absent, out);
  if (const json::array* kinds = find_array(config, "mlp_layer_types")) {
    if (kinds->size() != out.layers) refuse_field("mlp_layer_types", *kinds, "it needs one entry a layer");
    for (size_t i = 0; i < out.layers; ++i) {
      const json::value& kind = (*kinds)[i];
      if (kind != "dense" && kind != "sparse") refuse_field("mlp_layer_types", kind);
      out.experts.layers[i] = kind == "sparse";
    }
  }
  read_surplus_layers(config, 1, out);
}

// One name for all of them: what a file says of its router tells V2 from V3. Newer files give the sizes of the latent as those of a head,
// and the heads' own under *_mla.
void read_deepseek_gguf(const formats::GgufHeader& header, json::object& config) {
  constexpr std::string_view kPrefix = "deepseek2.";
  const auto find = [&](std::string_view key) { return header.find_int(std::string(kPrefix) + std::string(key)); };
  constexpr int64_t kSoftmax = 1, kSigmoid = 2;
  const int64_t gating = find("expert_gating_func").value_or(kSoftmax);
  if (gating != kSoftmax && gating != kSigmoid) refuse_field("deepseek2.expert_gating_func", gating, "1 (softmax) and 2 (sigmoid) are");
  config["architectures"] = json::array{gating == kSoftmax ? "DeepseekV2ForCausalLM" : "DeepseekV3ForCausalLM"};
  read_fine_experts_gguf(header, kPrefix, config);
  if (config.contains("n_group")) config["topk_method"] = gating == kSoftmax ? "group_limited_greedy" : "noaux_tc";
  if (!config.contains("n_group")) config["n_group"] = config["topk_group"] = 1;
  config["kv_lora_rank"] = header.get_int("deepseek2.attention.kv_lora_rank");
  config["q_lora_rank"] = nullptr;
  if (const auto rank = find("attention.q_lora_rank"); rank && header.find_tensor("blk.0.attn_q_a.weight") != nullptr) config["q_lora_rank"] = *rank;
  const int64_t rope = header.get_int("deepseek2.rope.dimension_count"), key = find("attention.key_length_mla").value_or(header.get_int("deepseek2.attention.key_length"));
  config["qk_rope_head_dim"] = rope;
  config["qk_nope_head_dim"] = key - rope;
  config["v_head_dim"] = find("attention.value_length_mla").value_or(header.get_int("deepseek2.attention.value_length"));
  config.erase("partial_rotary_factor");
  config["num_nextn_predict_layers"] = 0;
  if (const auto log = header.find_number("deepseek2.rope.scaling.yarn_log_multiplier")) {   // 0.1 * mscale_all_dim; published models have the same mscale
    json::object& scaling = config.at("rope_parameters").as_object();
    scaling["mscale"] = scaling["mscale_all_dim"] = *log / 0.1;
  }
}

}  // namespace lyceum::models
