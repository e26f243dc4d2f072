// IBM Granite: Llama with constant factors on embeddings, scores, residual branches and logits; GraniteMoe has Mixtral's experts, all of
// a layer in two tensors.
#include "models/architecture.h"

namespace lyceum::models {

namespace {

constexpr ModuleNames kMoeNames{.router = "block_sparse_moe.router.layer", .experts = "block_sparse_moe.experts.", .expert_down = "block_sparse_moe.output_linear",
                                .stacked_experts = true, .expert_gate_up = "block_sparse_moe.input_linear"};

}  // namespace

void read_granite(const json::object& config, DecoderConfig& out) {
  read_biases(config, out);
  out.embedding_scale = read_scale(config, "embedding_multiplier", 1);
  out.attention_scale = read_scale(config, "attention_multiplier", 1);
  out.residual_scale = read_scale(config, "residual_multiplier", 1);
  out.logits_scale = 1.0f / read_scale(config, "logits_scaling", 1);
}

void read_granite_moe(const json::object& config, DecoderConfig& out) {
  read_granite(config, out);
  out.names = &kMoeNames;
  ExpertsConfig absent;
  absent.count = 8;
  absent.chosen = 2;
  read_experts(config, absent, out);
  out.experts.normalise = true;
}

}  // namespace lyceum::models
