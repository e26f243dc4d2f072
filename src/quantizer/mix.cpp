#include "quantizer/mix.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace lyceum::quantizer {
namespace {

using tensor::DType;

constexpr std::array kMixes = {
    Mix{"F32", DType::f32, 0},       Mix{"F16", DType::f16, 1},        Mix{"BF16", DType::bf16, 32},    Mix{"Q8_0", DType::q8_0, 7},     Mix{"Q6_K", DType::q6_k, 18},
    Mix{"Q5_K_M", DType::q5_k, 17},  Mix{"Q5_K_S", DType::q5_k, 16},   Mix{"Q5_1", DType::q5_1, 9},     Mix{"Q5_0", DType::q5_0, 8},     Mix{"Q4_K_M", DType::q4_k, 15},
    Mix{"Q4_K_S", DType::q4_k, 14},  Mix{"IQ4_NL", DType::iq4_nl, 25}, Mix{"IQ4_XS", DType::iq4_xs, 30}, Mix{"Q4_1", DType::q4_1, 3},    Mix{"Q4_0", DType::q4_0, 2},
    Mix{"MXFP4", DType::mxfp4, 38},  Mix{"MXFP4_MOE", DType::q8_0, 38}, Mix{"Q3_K_L", DType::q3_k, 13}, Mix{"Q3_K_M", DType::q3_k, 12},  Mix{"Q3_K_S", DType::q3_k, 11},
    Mix{"Q2_K", DType::q2_k, 10},    Mix{"Q2_K_S", DType::q2_k, 21}};
// Short names for the usual one of a kind.
constexpr std::pair<std::string_view, std::string_view> kAliases[] = {{"Q5_K", "Q5_K_M"}, {"Q4_K", "Q4_K_M"}, {"Q3_K", "Q3_K_M"}};

enum class Role { other, embedding, output, q, k, v, qkv, attention_output, down };

Role role_of(std::string_view name) {
  const auto has = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
  if (name == "output.weight") return Role::output;
  if (name == "token_embd.weight") return Role::embedding;
  if (has("attn_qkv.weight")) return Role::qkv;
  if (has("attn_v.weight")) return Role::v;
  if (has("attn_k.weight")) return Role::k;
  if (has("attn_q.weight")) return Role::q;
  if (has("attn_output.weight")) return Role::attention_output;
  return has("ffn_down") ? Role::down : Role::other;
}

uint32_t layer_of(std::string_view name) {
  uint32_t layer = 0;
  if (name.starts_with("blk.")) std::from_chars(name.data() + 4, name.data() + name.size(), layer);
  return layer;
}

// The first eighth, the last eighth, and every third between.
bool wants_more_bits(uint32_t layer, uint32_t layers) {
  return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

DType type_of_v(std::string_view mix, uint32_t layer, const MixFacts& facts, DType type) {
  const bool shared = facts.heads_a_kv_head >= 4;
  if (mix == "Q2_K") type = shared ? DType::q4_k : DType::q3_k;
  if (mix == "Q2_K_S" && shared) type = DType::q4_k;
  if (mix == "Q3_K_M") type = layer < 2 ? DType::q5_k : DType::q4_k;
  if (mix == "Q3_K_L") type = DType::q5_k;
  if ((mix == "IQ4_NL" || mix == "IQ4_XS") && shared) type = DType::q5_k;
  if ((mix == "Q4_K_M" || mix == "Q5_K_M") && wants_more_bits(layer, facts.layers)) type = DType::q6_k;
  if (mix == "Q4_K_S" && layer < 4) type = DType::q5_k;
  if (facts.layers == 80 && facts.heads_a_kv_head == 8 && (type == DType::q3_k || type == DType::q4_k)) type = DType::q5_k;   // 70B: eight heads share v
  return facts.experts == 8 ? DType::q8_0 : type;
}

DType type_of_down(std::string_view mix, uint32_t layer, const MixFacts& facts, DType type) {
  const bool early = layer < facts.layers / 8;
  if (mix == "Q2_K") return DType::q3_k;
  if (mix == "Q2_K_S") return early ? DType::q4_k : type;
  if (mix == "Q3_K_M") return layer < facts.layers / 16 ? DType::q5_k : DType::q4_k;
  if (mix == "Q3_K_L") return DType::q5_k;
  if (mix == "Q4_K_M" || mix == "Q5_K_M") return wants_more_bits(layer, facts.layers) ? DType::q6_k : type;
  if (mix == "IQ4_NL" || mix == "IQ4_XS") return early && !facts.importance ? DType::q5_k : type;
  if (mix == "Q4_K_S") return early ? DType::q5_k : type;
  if (mix == "Q4_0" && facts.importance && early) return DType::q4_1;
  if (mix == "Q5_0" && facts.importance && early) return DType::q5_1;
  return type;
}

DType type_of_attention_output(std::string_view mix, const MixFacts& facts, DType type) {
  if (facts.experts == 8) {
    constexpr std::string_view kLow[] = {"Q2_K", "Q3_K_S", "Q3_K_M", "IQ4_NL", "Q4_K_S", "Q4_K_M", "IQ4_XS"};
    return std::ranges::find(kLow, mix) != std::end(kLow) ? DType::q5_k : type;
  }
  if (mix == "Q2_K") return DType::q3_k;
  if (mix == "Q3_K_M") return DType::q4_k;
  return mix == "Q3_K_L" ? DType::q5_k : type;
}

DType wanted_type(const Mix& mix, const MixFacts& facts, const SourceTensor& tensor) {
  const Role role = role_of(tensor.name);
  if (role == Role::output || (facts.tied && role == Role::embedding)) {
    const bool whole = tensor.columns() % tensor::block_size(mix.base) == 0;
    return mix.base == DType::q8_0 || mix.base == DType::mxfp4 || !whole ? DType::q8_0 : DType::q6_k;
  }
  if (mix.file_type == 38) return mix.base == DType::q8_0 && tensor.matrices() > 1 ? DType::mxfp4 : role == Role::embedding ? DType::q8_0 : mix.base;
  const uint32_t layer = layer_of(tensor.name);
  switch (role) {
    case Role::v:
    case Role::qkv: return type_of_v(mix.name, layer, facts, mix.base);
    case Role::k: return facts.experts == 8 ? DType::q8_0 : mix.base;
    case Role::down: return type_of_down(mix.name, layer, facts, mix.base);
    case Role::attention_output: return type_of_attention_output(mix.name, facts, mix.base);
    default: return mix.base;
  }
}

DType smaller_blocks(DType type) {
  switch (type) {
    case DType::iq4_xs: return DType::iq4_nl;
    case DType::q2_k:
    case DType::q3_k: return DType::q4_0;
    case DType::q4_k: return DType::q5_0;
    case DType::q5_k: return DType::q5_1;
    case DType::q6_k: return DType::q8_0;
    default: return type;
  }
}

bool stays_float(const SourceTensor& tensor) {
  const auto has = [&](std::string_view part) { return tensor.name.find(part) != std::string::npos; };
  return tensor.is_vector() || !tensor.name.ends_with("weight") || has("_norm.weight") || has("ffn_gate_inp") || has("position_embd") || has("rope_f");
}

}  // namespace

std::span<const Mix> mixes() { return kMixes; }

const Mix* find_mix(std::string_view name) {
  std::string upper(name);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  for (const auto& [alias, meant] : kAliases) {
    if (upper == alias) upper = meant;
  }
  const auto* found = std::ranges::find(kMixes, std::string_view(upper), &Mix::name);
  return found == kMixes.end() ? nullptr : found;
}

MixFacts mix_facts(const models::DecoderConfig& config, bool importance) {
  return {config.layers, config.heads / std::max(1u, config.kv_heads), config.experts.count, config.tied_embeddings, importance};
}

DType choose_type(const Mix& mix, const MixFacts& facts, const SourceTensor& tensor) {
  if (stays_float(tensor)) return DType::f32;
  if (tensor::block_size(mix.base) == 1) return mix.base;
  DType type = wanted_type(mix, facts, tensor);
  if (tensor.columns() % tensor::block_size(type) != 0) type = smaller_blocks(type);
  return tensor.columns() % tensor::block_size(type) == 0 ? type : DType::f16;
}

}  // namespace lyceum::quantizer
