// Fine-grained mixtures of experts: many small ones, some that every token goes through, dense layers before them. DeepSeek-AI,
// "DeepSeekMoE" (2024) and "DeepSeek-V3 Technical Report" (2024), section 2.1.2, for the bias that balances the experts' load.
#include "formats/gguf.h"
#include "kernels/routing.h"
#include "models/architecture.h"

namespace lyceum::models {

namespace {

int64_t read_int(const json::object& config, std::string_view field, int64_t absent, int64_t low, int64_t high) {
  const int64_t value = find_int(config, field).value_or(absent);
  if (value < low || value > high) refuse_field(field, value, "it must be between " + std::to_string(low) + " and " + std::to_string(high));
  return value;
}

void read_groups(const json::object& config, const FineExperts& absent, ExpertsConfig& out) {
  out.groups = static_cast<uint32_t>(read_int(config, "n_group", absent.groups, 1, out.count));
  out.groups_chosen = static_cast<uint32_t>(read_int(config, "topk_group", absent.groups_chosen, 1, out.groups));
  if (out.count % out.groups != 0) refuse_field("n_group", int64_t{out.groups}, "it must divide the number of experts");
  if (out.sigmoid && out.groups > 1 && out.count / out.groups < 2) refuse_field("n_group", int64_t{out.groups}, "a group must have two experts");
  if (out.chosen > out.count / out.groups * out.groups_chosen) refuse_field("num_experts_per_tok", int64_t{out.chosen}, "the chosen groups have fewer experts");
}

}  // namespace

void read_fine_experts(const json::object& config, const FineExperts& absent, DecoderConfig& out) {
  ExpertsConfig& experts = out.experts;
  experts.sigmoid = absent.sigmoid;
  experts.bias = absent.sigmoid;
  const std::string_view field = config.contains("n_routed_experts") ? "n_routed_experts" : "num_local_experts";
  experts.count = static_cast<uint32_t>(read_int(config, field, absent.count, 1, kernels::kExpertsMax));
  experts.chosen = static_cast<uint32_t>(read_int(config, "num_experts_per_tok", absent.chosen, 1, experts.count));
  experts.intermediate = read_size(config, "moe_intermediate_size", absent.intermediate);
  const int64_t shared = read_int(config, "n_shared_experts", absent.shared, 0, 1024) * experts.intermediate;
  if (shared > 1 << 24) refuse_field("n_shared_experts", shared, "the shared experts are wider than 2^24");
  experts.shared_intermediate = static_cast<uint32_t>(shared);
  experts.normalise = find_bool(config, "norm_topk_prob").value_or(absent.normalise);
  experts.scale = read_scale(config, "routed_scaling_factor", absent.scale);
  read_groups(config, absent, experts);
  const int64_t every = find_int(config, "moe_layer_freq").value_or(1);
  if (every != 1) refuse_field("moe_layer_freq", every);
  const int64_t dense = read_int(config, "first_k_dense_replace", absent.dense_layers, 0, 1 << 24);
  experts.layers.resize(out.layers);
  for (size_t i = 0; i < out.layers; ++i) experts.layers[i] = static_cast<int64_t>(i) >= dense;
}

void read_fine_experts_gguf(const formats::GgufHeader& header, std::string_view prefix, json::object& config) {
  constexpr std::pair<std::string_view, std::string_view> kInts[] = {
      {"leading_dense_block_count", "first_k_dense_replace"}, {"expert_shared_count", "n_shared_experts"}, {"expert_group_count", "n_group"},
      {"expert_group_used_count", "topk_group"}};
  const auto key = [&](std::string_view name) { return std::string(prefix) + std::string(name); };
  for (const auto& [name, field] : kInts) {
    if (const auto value = header.find_int(key(name))) config[field] = *value;
  }
  if (const auto scale = header.find_number(key("expert_weights_scale")); scale && *scale != 0) config["routed_scaling_factor"] = *scale;
  config["norm_topk_prob"] = header.find_bool(key("expert_weights_norm")).value_or(false);
}

void read_surplus_layers(const json::object& config, int64_t absent, DecoderConfig& out) {
  const std::string_view field = config.contains("num_nextn_predict_layers") ? "num_nextn_predict_layers" : "num_mtp_layers";
  out.surplus_layers = static_cast<uint32_t>(read_int(config, field, absent, 0, 64));
}

}  // namespace lyceum::models
