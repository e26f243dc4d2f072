#include "quantizer/metadata.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "models/architecture.h"

namespace lyceum::quantizer {
namespace {

using models::DecoderConfig;

// The rope parameters of the layers that see everything.
json::object find_rope(const json::object& stored) {
  const json::object* rope = find_object(stored, "rope_scaling");
  if (rope == nullptr) rope = find_object(stored, "rope_parameters");
  if (rope != nullptr && find_object(*rope, "full_attention") != nullptr) rope = find_object(*rope, "full_attention");
  return rope == nullptr ? json::object{} : *rope;
}

std::string rope_kind(const json::object& rope) {
  const std::string kind = find_string(rope, "rope_type").value_or(find_string(rope, "type").value_or("default"));
  return kind == "su" ? "longrope" : kind;
}

uint32_t rotary_dim(const DecoderConfig& config) { return config.rotary_dim == 0 ? config.head_dim : config.rotary_dim; }

class Describer {
 public:
  Describer(const DecoderConfig& config, const json::object& stored) : config_(config), stored_(stored), rope_(find_rope(stored)) {
    const models::Architecture* architecture = models::find_architecture(config.architecture);
    if (architecture == nullptr || architecture->gguf_name.empty()) throw Error(Code::unsupported, config.architecture + " has no GGUF form");
    name_ = architecture->gguf_name == "mistral" ? "llama" : architecture->gguf_name;   // llama.cpp has one name for both
  }

  ModelFacts describe() {
    facts_.metadata.set_string("general.architecture", name_);
    facts_.metadata.set_string("general.type", "model");
    sizes();
    if (config_.experts.count != 0) experts();
    if (!config_.learned_positions) rope();
    scales();
    const uint32_t window = config_.sliding_window.empty() ? 0 : *std::ranges::max_element(config_.sliding_window);
    if (window != 0) set_u32("attention.sliding_window", window);
    return std::move(facts_);
  }

 private:
  std::string key(std::string_view key) const { return name_ + "." + std::string(key); }
  void set_u32(std::string_view name, uint32_t value) { facts_.metadata.set_u32(key(name), value); }
  void set_f32(std::string_view name, double value) { facts_.metadata.set_f32(key(name), static_cast<float>(value)); }

  void sizes() {
    set_u32("vocab_size", config_.vocab);
    set_u32("context_length", config_.context);
    set_u32("embedding_length", config_.hidden);
    set_u32("block_count", config_.layers);
    set_u32("feed_forward_length", config_.intermediate);
    set_u32("attention.head_count", config_.heads);
    set_u32("attention.head_count_kv", config_.kv_heads);
    set_f32(config_.norm == models::NormKind::rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", config_.norm_epsilon);
    if (name_ == "phi3") return;   // llama.cpp takes a head there for hidden / heads, whatever is turned of it
    set_u32("attention.key_length", config_.head_dim);
    set_u32("attention.value_length", config_.head_dim);
  }

  void experts() {
    const models::ExpertsConfig& experts = config_.experts;
    set_u32("expert_count", experts.count);
    set_u32("expert_used_count", experts.chosen);
    if (experts.intermediate != config_.intermediate || name_.starts_with("qwen")) set_u32("expert_feed_forward_length", experts.intermediate);
    if (experts.shared_intermediate != 0) set_u32("expert_shared_feed_forward_length", experts.shared_intermediate);
  }

  void rope() {
    set_u32("rope.dimension_count", rotary_dim(config_));
    set_f32("rope.freq_base", config_.rope.theta);
    if (!config_.local_rope.inverse_frequencies.empty()) set_f32("rope.freq_base_swa", config_.local_rope.theta);
    const std::string kind = rope_kind(rope_);
    if (kind == "llama3") divisors("rope_freqs.weight", config_.rope.inverse_frequencies);
    if (kind == "linear" || kind == "yarn") {
      facts_.metadata.set_string(key("rope.scaling.type"), kind);
      if (const auto factor = find_number(rope_, "factor")) set_f32("rope.scaling.factor", *factor);
    }
    if (kind == "yarn") yarn();
    if (kind == "longrope") longrope();
  }

  void yarn() {
    set_u32("rope.scaling.original_context_length", static_cast<uint32_t>(find_number(rope_, "original_max_position_embeddings").value_or(config_.context)));
    if (const auto fast = find_number(rope_, "beta_fast")) set_f32("rope.scaling.yarn_beta_fast", *fast);
    if (const auto slow = find_number(rope_, "beta_slow")) set_f32("rope.scaling.yarn_beta_slow", *slow);
  }

  void longrope() {
    facts_.metadata.set_string(key("rope.scaling.type"), "longrope");
    set_u32("rope.scaling.original_context_length", config_.rope.original_context);
    set_f32("rope.scaling.attn_factor", config_.rope.attention_scale);
    divisors("rope_factors_long.weight", config_.rope.long_inverse_frequencies);
    divisors("rope_factors_short.weight", config_.rope.inverse_frequencies);
  }

  // What plain frequencies are divided by.
  void divisors(std::string name, const std::vector<float>& frequencies) {
    FactTensor out{std::move(name), {}};
    for (size_t i = 0; i < frequencies.size(); ++i) {
      const double plain = 1.0 / std::pow(double{config_.rope.theta}, static_cast<double>(2 * i) / rotary_dim(config_));
      out.values.push_back(static_cast<float>(plain / double{frequencies[i]}));
    }
    facts_.tensors.push_back(std::move(out));
  }

  void scales() {
    if (name_ == "granite") {
      set_f32("embedding_scale", config_.embedding_scale);
      set_f32("residual_scale", config_.residual_scale);
      set_f32("attention.scale", config_.attention_scale);
      set_f32("logit_scale", find_number(stored_, "logits_scaling").value_or(1));
    }
    if (config_.attention_softcap != 0) set_f32("attn_logit_softcapping", config_.attention_softcap);
    if (config_.logits_softcap != 0) set_f32("final_logit_softcapping", config_.logits_softcap);
  }

  const DecoderConfig& config_;
  const json::object& stored_;
  json::object rope_;
  std::string name_;
  ModelFacts facts_;
};

bool near(double a, double b) { return std::abs(a - b) <= 2e-6 * std::max(std::abs(a), std::abs(b)); }
bool near(const std::vector<float>& a, const std::vector<float>& b) {
  return std::ranges::equal(a, b, [](float x, float y) { return near(x, y); });
}

bool same_rope(const models::Rope& a, const models::Rope& b) {
  return a.kind == b.kind && near(a.inverse_frequencies, b.inverse_frequencies) && near(a.long_inverse_frequencies, b.long_inverse_frequencies) &&
         near(a.attention_scale, b.attention_scale) && (a.kind == models::Rope::Kind::fixed || a.original_context == b.original_context);
}

std::vector<models::LayerRope> layer_ropes(const DecoderConfig& config) {
  std::vector<models::LayerRope> out;
  for (size_t i = 0; i < config.layers; ++i) out.push_back(config.rope_of(i));
  return out;
}

}  // namespace

ModelFacts describe_model(const DecoderConfig& config, const json::object& stored) { return Describer(config, stored).describe(); }

std::string find_difference(const DecoderConfig& a, const DecoderConfig& b) {
  const models::ExpertsConfig &x = a.experts, &y = b.experts;
  const auto score_scale = [](const DecoderConfig& config) { return config.attention_scale != 0 ? config.attention_scale : 1.0f / std::sqrt(static_cast<float>(config.head_dim)); };
  const std::pair<bool, std::string_view> checks[] = {
      {std::tie(a.layers, a.hidden, a.intermediate, a.heads, a.kv_heads, a.head_dim, a.vocab, a.context) ==
           std::tie(b.layers, b.hidden, b.intermediate, b.heads, b.kv_heads, b.head_dim, b.vocab, b.context), "the sizes"},
      {near(a.norm_epsilon, b.norm_epsilon), "the norms' epsilon"},
      {std::tie(a.tied_embeddings, a.qkv_bias, a.output_bias, a.mlp_bias) == std::tie(b.tied_embeddings, b.qkv_bias, b.output_bias, b.mlp_bias), "biases or tied embeddings"},
      {std::tie(a.qk_norm, a.qk_norm_wide, a.pre_norms, a.output_norms, a.norm) == std::tie(b.qk_norm, b.qk_norm_wide, b.pre_norms, b.output_norms, b.norm), "where norms are"},
      {std::tie(a.gated, a.learned_positions, a.activation, a.rope_adjacent) == std::tie(b.gated, b.learned_positions, b.activation, b.rope_adjacent), "the MLP or positions"},
      {std::tie(x.count, x.chosen, x.intermediate, x.shared_intermediate, x.shared_gate, x.layers) == std::tie(y.count, y.chosen, y.intermediate, y.shared_intermediate, y.shared_gate, y.layers), "the experts"},
      {x.normalise == y.normalise, "norm_topk_prob"},
      {near(a.embedding_scale, b.embedding_scale) && near(a.residual_scale, b.residual_scale) && near(a.logits_scale, b.logits_scale), "the scales of embeddings, residuals or logits"},
      {near(score_scale(a), score_scale(b)), "the scale of attention"},
      {near(a.attention_softcap, b.attention_softcap) && near(a.logits_softcap, b.logits_softcap), "softcapping"},
      {a.sliding_window == b.sliding_window, "sliding_window (of each layer)"},
      {rotary_dim(a) == rotary_dim(b) || a.learned_positions, "partial_rotary_factor"},
      {layer_ropes(a) == layer_ropes(b), "which layers rotate, and how"},
      {same_rope(a.rope, b.rope) && same_rope(a.local_rope, b.local_rope), "the rope scaling"}};
  for (const auto& [same, what] : checks) {
    if (!same) return std::string(what);
  }
  return {};
}

}  // namespace lyceum::quantizer
