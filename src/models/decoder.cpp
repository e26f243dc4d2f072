#include "models/decoder.h"

#include "base/error.h"

namespace lyceum::models {

namespace {

template <typename Visit>
void visit_layer(const DecoderLayer& layer, Visit&& visit) {
  const auto norm = [&](const Norm& each) {
    if (!each.weight.empty()) visit(each.name + ".weight", each.weight, true);
    if (!each.bias.empty()) visit(each.name + ".bias", each.bias, true);
  };
  const auto linear = [&](const Linear& each) {
    if (each.weight.empty()) return;
    visit(each.name + ".weight", each.weight, false);
    if (!each.bias.empty()) visit(each.name + ".bias", each.bias, true);
  };
  norm(layer.input_norm);
  const Latent& latent = layer.latent;
  linear(latent.q_a);
  norm(latent.q_a_norm);
  for (const Linear* each : {&latent.q_b, &latent.kv_a}) linear(*each);
  norm(latent.kv_a_norm);
  for (const Linear* each : {&latent.kv_b, &latent.k_b, &latent.v_b}) linear(*each);
  for (const Linear* each : {&layer.q, &layer.k, &layer.v, &layer.o}) linear(*each);
  norm(layer.q_norm);
  norm(layer.k_norm);
  norm(layer.attention_output_norm);
  norm(layer.post_attention_norm);
  for (const Linear* each : {&layer.gate, &layer.up, &layer.down}) linear(*each);
  const auto mlp = [&](const Mlp& each) {
    for (const Linear* part : {&each.gate, &each.up, &each.down}) linear(*part);
  };
  linear(layer.experts.router);
  if (!layer.experts.bias.empty()) visit(layer.experts.bias_name, layer.experts.bias, true);
  for (const Mlp& each : layer.experts.each) mlp(each);
  mlp(layer.experts.shared);
  linear(layer.experts.shared_gate);
  norm(layer.mlp_output_norm);
}

template <typename Visit>
void visit_weights(const Decoder& decoder, Visit&& visit) {
  visit(decoder.embedding.name + ".weight", decoder.embedding.weight, false);
  if (!decoder.positions.weight.empty()) visit(decoder.positions.name + ".weight", decoder.positions.weight, false);
  for (const DecoderLayer& layer : decoder.layers) visit_layer(layer, visit);
  visit(decoder.final_norm.name + ".weight", decoder.final_norm.weight, true);
  if (!decoder.final_norm.bias.empty()) visit(decoder.final_norm.name + ".bias", decoder.final_norm.bias, true);
  if (!decoder.config.tied_embeddings) visit(decoder.head.name + ".weight", decoder.head.weight, false);
}

}  // namespace

uint64_t Decoder::parameters() const noexcept {
  uint64_t total = 0;
  visit_weights(*this, [&](std::string_view, const tensor::WeightView& view, bool) { total += uint64_t{view.rows} * view.columns; });
  return total;
}

std::string_view find_engine_only_part(const DecoderConfig& config) noexcept {
  if (config.quantization.method != Quantization::Method::none) return "quantised weights";
  if (config.latent.rank != 0) return "latent attention";
  if (config.experts.count != 0) return "mixtures of experts";
  if (config.norm != NormKind::rms) return "layer norms with a mean and a bias";
  if (!config.gated) return "MLPs without a gate";
  if (config.learned_positions) return "learned positions";
  if (config.attention_softcap != 0 || config.logits_softcap != 0) return "capped scores and logits";
  if (config.output_norms || !config.pre_norms) return "norms after attention and MLP";
  if (config.qk_norm_wide) return "one norm over all heads";
  if (config.activation != Activation::silu) return "an activation other than SiLU";
  if (config.embedding_scale != 1 || config.residual_scale != 1 || config.logits_scale != 1 || config.attention_scale != 0) return "scaled embeddings, residuals, scores or logits";
  if (config.rotary_dim != 0 || !config.layer_rope.empty() || config.rope_adjacent) return "layers or heads that are not fully rotated";
  if (config.fused_qkv || config.fused_gate_up || config.transposed) return "fused projections";
  return {};
}

std::vector<NamedWeight> list_weights(const Decoder& decoder) {
  std::vector<NamedWeight> out;
  visit_weights(decoder, [&](std::string name, const tensor::WeightView& view, bool vector) {
    out.push_back({std::move(name), view, vector});
  });
  return out;
}

std::vector<MutableWeight> mutable_weights(Decoder& decoder) {
  LYCEUM_CHECK(decoder.writable, "the weights of a loaded decoder are read-only");
  std::vector<MutableWeight> out;
  visit_weights(decoder, [&](std::string name, const tensor::WeightView& view, bool vector) {
    // The memory was allocated as float by make_decoder and is owned by this very decoder.
    auto* values = reinterpret_cast<float*>(const_cast<std::byte*>(view.data));
    out.push_back({std::move(name), {values, view.rows * view.columns}, view.rows, view.columns, vector});
  });
  return out;
}

std::vector<const Linear*> list_linears(const Decoder& decoder) {
  std::vector<const Linear*> out;
  for (const DecoderLayer& layer : decoder.layers) {
    for (const Linear* each : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down}) {
      if (!each->weight.empty()) out.push_back(each);
    }
  }
  return out;
}

}  // namespace lyceum::models
