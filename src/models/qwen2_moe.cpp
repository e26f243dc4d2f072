// Qwen2-MoE (Qwen1.5-MoE, Qwen2-57B-A14B): many small experts, and one that every token goes through, behind a gate of its own.
#include <algorithm>

#include "models/architecture.h"

namespace lyceum::models {

void read_qwen2_moe(const json::object& config, DecoderConfig& out) {
  out.qkv_bias = find_bool(config, "qkv_bias").value_or(true);
  if (const auto sliding = find_sliding_layers(config, out.layers)) {
    const auto window = static_cast<uint32_t>(std::max<int64_t>(0, find_int(config, "sliding_window").value_or(0)));
    for (size_t i = 0; i < out.layers; ++i) out.sliding_window[i] = (*sliding)[i] ? window : 0;
  } else if (find_bool(config, "use_sliding_window").value_or(false)) {
    refuse_field("use_sliding_window", true, "it needs layer_types");
  }
  ExpertsConfig absent;
  absent.count = 60;
  absent.chosen = 4;
  absent.intermediate = 1408;
  absent.normalise = false;
  read_experts(config, absent, out);
  constexpr int64_t kLimit = 1 << 24;
  const int64_t shared = find_int(config, "shared_expert_intermediate_size").value_or(5632);
  if (shared < 1 || shared > kLimit) refuse_field("shared_expert_intermediate_size", shared);
  out.experts.shared_intermediate = static_cast<uint32_t>(shared);
  out.experts.shared_gate = true;
}

}  // namespace lyceum::models
