// Mixtral: Mistral with a mixture of experts in every layer.
#include "models/architecture.h"

namespace lyceum::models {

namespace {

constexpr ModuleNames kNames{.router = "block_sparse_moe.gate", .experts = "block_sparse_moe.experts.", .expert_gate = "w1", .expert_up = "w3", .expert_down = "w2"};

}  // namespace

void read_mixtral(const json::object& config, DecoderConfig& out) {
  out.names = &kNames;
  read_window(config, 0, out);
  ExpertsConfig absent;
  absent.count = 8;
  absent.chosen = 2;
  read_experts(config, absent, out);
  out.experts.normalise = true;
}

}  // namespace lyceum::models
