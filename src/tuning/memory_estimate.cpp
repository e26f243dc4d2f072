#include "tuning/memory_estimate.h"

#include <algorithm>

namespace lyceum::tuning {
namespace {

constexpr uint64_t kFloat = sizeof(float);
constexpr uint64_t kHeadChunkRows = 256;        // NetworkOptions::head_chunk_rows
constexpr uint64_t kProgramBytes = 96u << 20;   // the program, its threads' stacks and the allocator's slack
constexpr uint64_t kDataCopies = 6;             // text, its pieces, tokens of four bytes, shingles of the duplicate search

struct Widths {
  uint64_t hidden, query, key_value, intermediate;
};

Widths widths_of(const models::DecoderConfig& config) {
  return {config.hidden, uint64_t{config.heads} * config.head_dim, uint64_t{config.kv_heads} * config.head_dim, config.intermediate};
}

bool adapts(const Recipe& recipe, std::string_view module) {
  const auto& targets = recipe.target_modules;
  return targets.empty() || std::any_of(targets.begin(), targets.end(), [&](const std::string& target) { return target == "all-linear" || target == module || target.ends_with("." + std::string(module)); });
}

uint64_t lora_parameters(const models::DecoderConfig& config, const Recipe& recipe) {
  const Widths w = widths_of(config);
  const struct {
    std::string_view module;
    uint64_t in, out;
  } modules[] = {{"q_proj", w.hidden, w.query},        {"k_proj", w.hidden, w.key_value},  {"v_proj", w.hidden, w.key_value},   {"o_proj", w.query, w.hidden},
                 {"gate_proj", w.hidden, w.intermediate}, {"up_proj", w.hidden, w.intermediate}, {"down_proj", w.intermediate, w.hidden}};
  uint64_t each_layer = 0;
  for (const auto& one : modules) {
    if (adapts(recipe, one.module)) each_layer += recipe.lora_r * (one.in + one.out) + (recipe.use_dora ? one.out : 0);
  }
  return each_layer * config.layers;
}

uint64_t all_parameters(const models::DecoderConfig& config) {
  const Widths w = widths_of(config);
  const uint64_t layer = w.hidden * (2 * w.query + 2 * w.key_value) + 3 * w.hidden * w.intermediate + 2 * w.hidden;
  return layer * config.layers + uint64_t{config.vocab} * w.hidden * (config.tied_embeddings ? 1 : 2);
}

// What network.cpp keeps for each token: a layer's forward pass (LayerMemory), its input, and the gradients on the way back.
uint64_t activation_bytes(const models::DecoderConfig& config, const Recipe& recipe) {
  const Widths w = widths_of(config);
  const uint64_t kept = 4 * w.hidden + 2 * w.query + 2 * w.key_value + 3 * w.intermediate + (config.qk_norm ? w.query + w.key_value : 0) + 7 * uint64_t{recipe.lora_r};
  const uint64_t layers_kept = recipe.gradient_checkpointing ? 1 : config.layers;
  const uint64_t dropped = recipe.lora_dropout > 0 ? layers_kept * (3 * w.hidden + w.query + w.intermediate) : 0;
  const uint64_t way_back = 6 * w.hidden + 2 * w.query + 2 * w.key_value + 3 * w.intermediate;
  const bool pairs = recipe.objective != "sft";
  const uint64_t tokens = uint64_t{recipe.micro_batch_size} * recipe.seq_len * (pairs ? 2 : 1);
  const uint64_t head = 2 * std::min(kHeadChunkRows, tokens) * config.vocab;
  return kFloat * (tokens * (kept * layers_kept + dropped + w.hidden * config.layers + way_back) + head);
}

// QLoRA: the layers' linears in four bits with a scale for each 64, the rest as it is stored.
uint64_t quantised_base(const models::DecoderConfig& config, uint64_t base_bytes) {
  const uint64_t all = all_parameters(config), tables = uint64_t{config.vocab} * config.hidden * (config.tied_embeddings ? 1 : 2);
  const double stored = static_cast<double>(base_bytes) / static_cast<double>(std::max<uint64_t>(1, all));
  return static_cast<uint64_t>(static_cast<double>(tables) * stored + static_cast<double>(all - tables) * 0.5625);
}

}  // namespace

MemoryEstimate estimate_memory(const models::DecoderConfig& config, const Recipe& recipe, const MemoryInputs& inputs) {
  const bool lora = recipe.method == "lora";
  const uint64_t trainable = lora ? lora_parameters(config, recipe) : all_parameters(config);
  MemoryEstimate out;
  out.base = recipe.load_in_4bit ? quantised_base(config, inputs.base_bytes) : inputs.base_bytes;
  out.trainable = trainable * kFloat * (4 + (recipe.load_best_model_at_end ? 1 : 0));
  out.activations = activation_bytes(config, recipe);
  out.data = inputs.data_bytes * kDataCopies;
  out.program = kProgramBytes;
  return out;
}

json::object memory_json(const MemoryEstimate& estimate) {
  return {{"total_bytes", estimate.total()}, {"base_bytes", estimate.base}, {"trainable_bytes", estimate.trainable}, {"activation_bytes", estimate.activations},
          {"data_bytes", estimate.data}, {"program_bytes", estimate.program}};
}

}  // namespace lyceum::tuning
