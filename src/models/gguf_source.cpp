// GGUF as llama.cpp's converter writes it for the architectures of the registry. The metadata is brought into the fields of a
// config.json first, so that one reader decides what is supported.
#include <algorithm>
#include <array>
#include <set>

#include "formats/gguf.h"
#include "kernels/convert.h"
#include "models/architecture.h"
#include "models/bind.h"
#include "models/sources.h"

namespace lyceum::models {

namespace {

constexpr ModuleNames kNames{
    .embedding = "token_embd", .positions = "position_embd", .layers = "blk.", .final_norm = "output_norm", .head = "output", .input_norm = "attn_norm",
    .mlp_norm = "ffn_norm", .attention_output_norm = "post_attention_norm", .mlp_output_norm = "post_ffw_norm", .q = "attn_q", .k = "attn_k", .v = "attn_v",
    .qkv = "attn_qkv", .o = "attn_output", .q_norm = "attn_q_norm", .k_norm = "attn_k_norm", .q_a = "attn_q_a", .q_a_norm = "attn_q_a_norm", .q_b = "attn_q_b",
    .kv_a = "attn_kv_a_mqa", .kv_a_norm = "attn_kv_a_norm", .kv_b = "attn_kv_b", .k_b = "attn_k_b", .v_b = "attn_v_b", .gate = "ffn_gate", .up = "ffn_up",
    .gate_up = "ffn_up", .down = "ffn_down", .router = "ffn_gate_inp", .router_bias = "exp_probs_b.bias", .experts = "", .expert_gate = "ffn_gate_exps", .expert_up = "ffn_up_exps", .expert_down = "ffn_down_exps",
    .shared_gate = "ffn_gate_inp_shexp", .shared_gate_proj = "ffn_gate_shexp", .shared_up = "ffn_up_shexp", .shared_down = "ffn_down_shexp",
    .stacked_experts = true, .split_latent = true};

class GgufSource final : public WeightSource {
 public:
  GgufSource(const formats::GgufFile& file, size_t head_dim, bool permuted) : file_(file), head_dim_(head_dim), permuted_(permuted) {
    used_ = {"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"};
    const auto some = [&](std::string_view ending) {
      return std::ranges::any_of(file.header().tensors, [ending](const formats::GgufTensor& each) { return each.name.ends_with(ending); });
    };
    if (!some(".ffn_norm.weight") && !some(".post_ffw_norm.weight")) names_.mlp_norm = "post_attention_norm";   // glm4moe
    if (some(".ffn_gate_up_exps.weight")) names_.expert_gate_up = "ffn_gate_up_exps";
  }

  tensor::WeightView find(const std::string& name, const TensorShape& shape) override {
    const formats::GgufTensor* found = file_.header().find_tensor(name);
    if (found == nullptr) return {};
    used_.insert(name);
    const bool fits_vector = shape.vector || shape.rows == 1;
    check_shape(*found, fits_vector ? std::vector<uint64_t>{shape.columns} : std::vector<uint64_t>{shape.columns, shape.rows});
    Bytes data = file_.get_supported(name);
    const bool rotated = name.find(".attn_q.") != std::string::npos || name.find(".attn_k.") != std::string::npos;
    if (permuted_ && rotated) data = undo_permutation(data, shape);
    return {data.data(), dtype_of(*found), shape.rows, shape.columns};
  }

  tensor::WeightView find_part(const std::string& name, size_t index, size_t count, const TensorShape& shape) override {
    const formats::GgufTensor* found = file_.header().find_tensor(name);
    if (found == nullptr) return {};
    used_.insert(name);
    check_shape(*found, {shape.columns, shape.rows, count});
    const Bytes data = file_.get_supported(name);
    return {data.data() + data.size() / count * index, dtype_of(*found), shape.rows, shape.columns};
  }

  const ModuleNames* names() const override { return &names_; }

  std::vector<std::string> unused() const override {
    std::vector<std::string> out;
    for (const auto& tensor : file_.header().tensors) {
      if (!used_.contains(tensor.name)) out.push_back(tensor.name);
    }
    return out;
  }
  std::string what() const override { return file_.path().string(); }

  std::vector<std::shared_ptr<void>> storage;

 private:
  static tensor::DType dtype_of(const formats::GgufTensor& stored) {
    const auto dtype = find_dtype(stored.dtype);
    LYCEUM_CHECK(dtype.has_value(), "formats and models agree on the supported dtypes");
    return *dtype;
  }

  // Both as GGUF has them: the contiguous dimension first, ones at the end left out.
  void check_shape(const formats::GgufTensor& stored, std::vector<uint64_t> wanted) const {
    const auto shorten = [](std::vector<uint64_t> shape) {
      while (shape.size() > 1 && shape.back() == 1) shape.pop_back();
      return shape;
    };
    if (shorten(stored.shape) == shorten(wanted)) return;
    const auto text = [](const std::vector<uint64_t>& shape) {
      std::string out;
      for (size_t i = shape.size(); i-- > 0;) out += std::to_string(shape[i]) + (i == 0 ? "" : ", ");
      return "[" + out + "]";
    };
    throw Error(Code::unprocessable, what() + ": tensor " + stored.name + " has shape " + text(shorten(stored.shape)) + "; the metadata says " + text(wanted));
  }

  Bytes undo_permutation(Bytes data, const TensorShape& shape) {
    const size_t rows = shape.vector ? shape.columns : shape.rows;
    storage.push_back(interleaved_to_halves(data, rows, data.size() / rows, head_dim_));
    return Bytes(*std::static_pointer_cast<std::vector<std::byte>>(storage.back()));
  }

  const formats::GgufFile& file_;
  ModuleNames names_ = kNames;
  size_t head_dim_;
  bool permuted_;
  std::set<std::string> used_;
};

// Copies one metadata number under a config.json name when it is there.
class ConfigBuilder {
 public:
  ConfigBuilder(const formats::GgufHeader& header, std::string prefix) : header_(header), prefix_(std::move(prefix)) {}

  void copy_int(std::string_view key, std::string_view field) {
    if (const auto value = header_.find_int(prefix_ + std::string(key))) config[field] = *value;
  }
  void require_int(std::string_view key, std::string_view field) { config[field] = header_.get_int(prefix_ + std::string(key)); }
  void copy_number(std::string_view key, json::object& to, std::string_view field) {
    if (const auto value = header_.find_number(prefix_ + std::string(key))) to[field] = *value;
  }
  std::optional<int64_t> find_int(std::string_view key) const { return header_.find_int(prefix_ + std::string(key)); }
  std::optional<std::string> find_string(std::string_view key) const { return header_.find_string(prefix_ + std::string(key)); }

  json::object config;

 private:
  const formats::GgufHeader& header_;
  std::string prefix_;
};

void read_scaling(ConfigBuilder& builder) {
  json::object rope;
  const std::string kind = builder.find_string("rope.scaling.type").value_or("none");
  rope["rope_type"] = kind == "none" ? "default" : kind;
  builder.copy_number("rope.freq_base", rope, "rope_theta");
  builder.copy_number("rope.scaling.factor", rope, "factor");
  builder.copy_number("rope.scaling.yarn_beta_fast", rope, "beta_fast");
  builder.copy_number("rope.scaling.yarn_beta_slow", rope, "beta_slow");
  if (const auto length = builder.find_int("rope.scaling.original_context_length")) rope["original_max_position_embeddings"] = *length;
  builder.config["rope_parameters"] = rope;
}

// Keys that only some architectures have. Who has no use for a field refuses it (config.cpp).
constexpr std::pair<std::string_view, std::string_view> kIntFields[] = {
    {"expert_count", "num_local_experts"}, {"expert_used_count", "num_experts_per_tok"}, {"expert_feed_forward_length", "moe_intermediate_size"},
    {"expert_shared_feed_forward_length", "shared_expert_intermediate_size"}};
constexpr std::pair<std::string_view, std::string_view> kNumberFields[] = {
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps"}, {"attention.layer_norm_epsilon", "norm_epsilon"},
    {"attn_logit_softcapping", "attn_logit_softcapping"}, {"final_logit_softcapping", "final_logit_softcapping"},
    {"embedding_scale", "embedding_multiplier"}, {"residual_scale", "residual_multiplier"}, {"attention.scale", "attention_multiplier"},
    {"logit_scale", "logits_scaling"}};

// A head's size is hidden / heads where the file does not say it; rope.dimension_count is the part of it that is turned.
void read_heads(ConfigBuilder& builder) {
  const int64_t even = builder.config["hidden_size"].as_int64() / std::max<int64_t>(1, builder.config["num_attention_heads"].as_int64());
  const int64_t head_dim = std::max<int64_t>(1, builder.find_int("attention.key_length").value_or(even));
  builder.config["head_dim"] = head_dim;
  if (builder.find_int("attention.kv_lora_rank")) return;   // latent attention has sizes of its own: read_deepseek_gguf
  if (const auto length = builder.find_int("attention.value_length"); length && *length != head_dim) {
    refuse_field("attention.value_length", *length, "it must equal attention.key_length");
  }
  if (const auto rotated = builder.find_int("rope.dimension_count"); rotated && *rotated != head_dim) {
    builder.config["partial_rotary_factor"] = static_cast<double>(*rotated) / static_cast<double>(head_dim);
  }
}

json::object config_from_metadata(const formats::GgufHeader& header, const Architecture& architecture) {
  ConfigBuilder builder(header, std::string(architecture.gguf_name) + ".");
  builder.config["architectures"] = {architecture.name};
  builder.require_int("block_count", "num_hidden_layers");
  builder.require_int("embedding_length", "hidden_size");
  builder.require_int("feed_forward_length", "intermediate_size");
  builder.require_int("attention.head_count", "num_attention_heads");
  builder.config["num_key_value_heads"] = builder.config["num_attention_heads"];
  builder.copy_int("attention.head_count_kv", "num_key_value_heads");
  builder.copy_int("context_length", "max_position_embeddings");
  for (const auto& [key, field] : kIntFields) builder.copy_int(key, field);
  for (const auto& [key, field] : kNumberFields) builder.copy_number(key, builder.config, field);
  read_heads(builder);
  builder.config["sliding_window"] = nullptr;
  builder.copy_int("attention.sliding_window", "sliding_window");
  read_scaling(builder);
  const formats::GgufTensor* embedding = header.find_tensor("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) throw Error(Code::unprocessable, "GGUF: tensor token_embd.weight is missing");
  builder.config["vocab_size"] = static_cast<int64_t>(embedding->shape[1]);
  builder.config["tie_word_embeddings"] = header.find_tensor("output.weight") == nullptr;
  const auto has = [&](std::string_view name) { return header.find_tensor(name) != nullptr; };
  builder.config["attention_bias"] = has("blk.0.attn_q.bias") || has("blk.0.attn_qkv.bias");
  builder.config["qkv_bias"] = builder.config["attention_bias"];
  builder.config["use_bias"] = has("blk.0.attn_output.bias");
  builder.config["mlp_bias"] = has("blk.0.ffn_gate.bias");
  if (const auto eos = header.find_int("tokenizer.ggml.eos_token_id")) builder.config["eos_token_id"] = *eos;
  if (const auto bos = header.find_int("tokenizer.ggml.bos_token_id")) builder.config["bos_token_id"] = *bos;
  if (architecture.read_gguf != nullptr) architecture.read_gguf(header, builder.config);
  return builder.config;
}

std::vector<float> read_floats(const formats::GgufFile& file, const formats::GgufTensor& tensor, size_t count) {
  if (tensor.dtype != "F32" || tensor.elements() != count) {
    throw Error(Code::unprocessable, file.path().string() + ": tensor " + tensor.name + " must be F32 with " + std::to_string(count) + " values");
  }
  std::vector<float> values(count);
  kernels::dequantize(tensor::DType::f32, file.bytes(tensor).data(), count, values.data());
  for (const float value : values) {
    if (!(value > 0)) throw Error(Code::unprocessable, file.path().string() + ": tensor " + tensor.name + " has a value that is not positive");
  }
  return values;
}

// longrope's two lists are tensors, too.
void read_longrope_factors(const formats::GgufFile& file, json::object& config) {
  json::object& rope = config.at("rope_parameters").as_object();
  if (find_string(rope, "rope_type") != "longrope") return;
  for (const auto& [name, field] : {std::pair{"rope_factors_short.weight", "short_factor"}, std::pair{"rope_factors_long.weight", "long_factor"}}) {
    const formats::GgufTensor* found = file.header().find_tensor(name);
    if (found == nullptr) throw Error(Code::unprocessable, file.path().string() + ": tensor " + name + " is missing");
    if (found->elements() > 4096) throw Error(Code::unprocessable, file.path().string() + ": tensor " + name + " is too long");
    json::array& list = rope[field].emplace_array();
    for (const float value : read_floats(file, *found, found->elements())) list.push_back(value);
  }
}

// Llama 3.1's scaling comes as a tensor of divisors instead of metadata.
void apply_rope_divisors(const formats::GgufFile& file, DecoderConfig& config) {
  const formats::GgufTensor* found = file.header().find_tensor("rope_freqs.weight");
  if (found == nullptr) return;
  auto& frequencies = config.rope.inverse_frequencies;
  const std::vector<float> divisors = read_floats(file, *found, frequencies.size());
  for (size_t i = 0; i < frequencies.size(); ++i) frequencies[i] /= divisors[i];
}

// How the converter lays weights out, whatever the architecture's checkpoints do.
void set_layout(const formats::GgufHeader& header, DecoderConfig& config) {
  const auto has = [&](std::string_view name) { return header.find_tensor(name) != nullptr; };
  config.output_bias = has("blk.0.attn_output.bias");
  config.fused_qkv = has("blk.0.attn_qkv.weight");
  config.fused_gate_up = config.fused_gate_up && !has("blk.0.ffn_gate.weight");
  config.norms_minus_one = false;
  config.experts.bias = config.experts.bias && std::ranges::any_of(header.tensors, [](const formats::GgufTensor& each) { return each.name.ends_with(".exp_probs_b.bias"); });
  config.transposed = false;
}

}  // namespace

const ModuleNames& gguf_names() noexcept { return kNames; }

DecoderConfig read_gguf_config(const formats::GgufFile& file) {
  const std::string name = file.header().get_string("general.architecture");
  const bool experts = file.header().find_int(name + ".expert_count").value_or(0) > 0;
  const Architecture* architecture = find_architecture_by_gguf_name(name, experts);
  if (architecture == nullptr) throw Error(Code::unsupported, file.path().string() + ": general.architecture " + name + " " + (experts ? "with experts " : "") + "is not supported");
  json::object fields = config_from_metadata(file.header(), *architecture);
  read_longrope_factors(file, fields);
  DecoderConfig config = read_config_object(fields);
  set_layout(file.header(), config);
  apply_rope_divisors(file, config);
  return config;
}

std::shared_ptr<const Decoder> load_gguf(const std::filesystem::path& path) {
  auto file = std::make_shared<formats::GgufFile>(path);
  DecoderConfig config = read_gguf_config(*file);
  const Architecture* architecture = find_architecture(config.architecture);
  GgufSource source(*file, config.head_dim, architecture->gguf_permutes_qk);
  auto decoder = std::make_shared<Decoder>(bind_decoder(std::move(config), source));
  decoder->storage.insert(decoder->storage.end(), source.storage.begin(), source.storage.end());
  decoder->storage.push_back(file);
  return decoder;
}

}  // namespace lyceum::models
