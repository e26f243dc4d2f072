#include "quantizer/tensors.h"

#include <algorithm>

#include "base/error.h"
#include "models/architecture.h"
#include "models/sources.h"

namespace lyceum::quantizer {
namespace {

using models::DecoderConfig;
using models::Linear;
using tensor::WeightView;

// Architectures whose files this has been shown for (llama.cpp's logits). Others of the registry have parts that are not listed here.
constexpr std::string_view kWritten[] = {"LlamaForCausalLM", "MistralForCausalLM", "MixtralForCausalLM", "Qwen2ForCausalLM", "Qwen2MoeForCausalLM", "Qwen3ForCausalLM", "Qwen3MoeForCausalLM",
                                         "Phi3ForCausalLM", "GraniteForCausalLM", "SmolLM3ForCausalLM", "Olmo2ForCausalLM", "OlmoeForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM",
                                         "Starcoder2ForCausalLM", "GPT2LMHeadModel", "Glm4ForCausalLM"};

class Lister {
 public:
  explicit Lister(const DecoderConfig& config) : config_(config), names_(models::gguf_names()) {
    const models::Architecture* architecture = models::find_architecture(config.architecture);
    permuted_ = architecture != nullptr && architecture->gguf_permutes_qk;
  }

  void enter(size_t layer) { prefix_ = std::string(names_.layers) + std::to_string(layer) + "."; }
  void leave() { prefix_.clear(); }

  void linear(std::string_view name, const Linear& one) { linears(name, {&one}); }

  // Matrices that are stored as one, their rows one after another; so are their biases.
  void linears(std::string_view name, std::initializer_list<const Linear*> all, bool rotated = false) {
    SourceTensor weight{prefix_ + std::string(name) + ".weight", {}, {}, rotated && permuted_ ? config_.head_dim : 0};
    SourceTensor bias{prefix_ + std::string(name) + ".bias", {}, {}, weight.head_dim};
    uint64_t rows = 0;
    for (const Linear* one : all) {
      rows += one->weight.rows;
      weight.parts.push_back(one->weight);
      if (!one->bias.empty()) bias.parts.push_back({one->bias.data, one->bias.dtype, one->bias.columns, 1});
    }
    weight.shape = {weight.parts[0].columns, rows};
    out.push_back(std::move(weight));
    bias.shape = {rows};
    if (!bias.parts.empty()) out.push_back(std::move(bias));
  }

  void experts(std::string_view name, const models::Experts& experts, Linear models::Mlp::*which) {
    SourceTensor stacked{prefix_ + std::string(name) + ".weight", {}, {}};
    for (const models::Mlp& each : experts.each) stacked.parts.push_back((each.*which).weight);
    stacked.shape = {stacked.parts[0].columns, stacked.parts[0].rows, stacked.parts.size()};
    out.push_back(std::move(stacked));
  }

  void norm(std::string_view name, const models::Norm& norm) {
    vector(prefix_ + std::string(name) + ".weight", norm.weight);
    vector(prefix_ + std::string(name) + ".bias", norm.bias);
  }

  void layer(size_t index, const models::DecoderLayer& layer) {
    enter(index);
    norm(names_.input_norm, layer.input_norm);
    if (config_.fused_qkv) {
      linears(names_.qkv, {&layer.q, &layer.k, &layer.v});
    } else {
      linears(names_.q, {&layer.q}, true);
      linears(names_.k, {&layer.k}, true);
      linear(names_.v, layer.v);
    }
    norm(names_.q_norm, layer.q_norm);
    norm(names_.k_norm, layer.k_norm);
    linear(names_.o, layer.o);
    norm(names_.attention_output_norm, layer.attention_output_norm);
    norm(names_.mlp_norm, layer.post_attention_norm);
    config_.has_experts(index) ? mixture(layer.experts) : mlp(layer);
    norm(names_.mlp_output_norm, layer.mlp_output_norm);
    leave();
  }

  std::vector<SourceTensor> out;

 private:
  void vector(std::string name, const WeightView& view) {
    if (!view.empty()) out.push_back({std::move(name), {view.columns}, {{view.data, view.dtype, view.columns, 1}}});
  }

  void mlp(const models::DecoderLayer& layer) {
    if (config_.fused_gate_up) {
      linears(names_.gate_up, {&layer.gate, &layer.up});
    } else {
      if (config_.gated) linear(names_.gate, layer.gate);
      linear(names_.up, layer.up);
    }
    linear(names_.down, layer.down);
  }

  void mixture(const models::Experts& mixture) {
    linear(names_.router, mixture.router);
    experts(names_.expert_gate, mixture, &models::Mlp::gate);
    experts(names_.expert_up, mixture, &models::Mlp::up);
    experts(names_.expert_down, mixture, &models::Mlp::down);
    if (mixture.shared.down.weight.empty()) return;
    linear(names_.shared_gate_proj, mixture.shared.gate);
    linear(names_.shared_up, mixture.shared.up);
    linear(names_.shared_down, mixture.shared.down);
    if (!mixture.shared_gate.weight.empty()) vector(prefix_ + std::string(names_.shared_gate) + ".weight", mixture.shared_gate.weight);
  }

  const DecoderConfig& config_;
  const models::ModuleNames& names_;
  std::string prefix_;
  bool permuted_ = false;
};

}  // namespace

uint64_t SourceTensor::rows() const noexcept {
  uint64_t count = 1;
  for (size_t i = is_vector() ? 0 : 1; i < shape.size(); ++i) count *= shape[i];
  return count;
}

WeightView SourceTensor::row(uint64_t index) const noexcept {
  if (head_dim != 0) {
    const uint64_t inner = index % head_dim;
    index = index - inner + inner / 2 + (inner % 2) * (head_dim / 2);
  }
  for (const WeightView& part : parts) {
    if (index < part.rows) return {part.data + index * tensor::row_bytes(part.dtype, part.columns), part.dtype, 1, part.columns};
    index -= part.rows;
  }
  return {};
}

std::vector<SourceTensor> list_tensors(const models::Decoder& decoder) {
  if (std::ranges::find(kWritten, decoder.config.architecture) == std::end(kWritten)) {
    throw Error(Code::unsupported, decoder.config.architecture + " is not written as GGUF yet, nor measured; its GGUF files can be quantised without --calibrate");
  }
  const models::ModuleNames& names = models::gguf_names();
  Lister lister(decoder.config);
  lister.linear(names.embedding, decoder.embedding);
  if (decoder.config.learned_positions) lister.linear(names.positions, decoder.positions);
  for (size_t i = 0; i < decoder.layers.size(); ++i) lister.layer(i, decoder.layers[i]);
  lister.norm(names.final_norm, decoder.final_norm);
  if (!decoder.config.tied_embeddings) lister.linear(names.head, decoder.head);
  return std::move(lister.out);
}

std::vector<SourceTensor> list_tensors(const formats::GgufFile& file) {
  std::vector<SourceTensor> out;
  for (const formats::GgufTensor& stored : file.header().tensors) {
    const Bytes bytes = file.get_supported(stored.name);
    const auto dtype = models::find_dtype(stored.dtype);
    LYCEUM_CHECK(dtype.has_value(), "formats and models agree on the supported dtypes");
    SourceTensor tensor{stored.name, stored.shape, {}};
    tensor.parts = {{bytes.data(), *dtype, tensor.rows(), tensor.columns()}};
    out.push_back(std::move(tensor));
  }
  return out;
}

}  // namespace lyceum::quantizer
