// GGUF as llama.cpp's converter writes it for the architectures of the registry. The metadata is brought into the fields of a
// config.json first, so that one reader decides what is supported.
#include <array>
#include <set>

#include "formats/gguf.h"
#include "kernels/convert.h"
#include "models/architecture.h"
#include "models/bind.h"
#include "models/sources.h"

namespace lyceum::models {

namespace {

struct NamePair {
  std::string_view hugging_face, gguf;
};
constexpr std::array kOuterNames = {NamePair{"model.embed_tokens.", "token_embd."}, NamePair{"model.norm.", "output_norm."},
                                    NamePair{"lm_head.", "output."}};
constexpr std::array kLayerNames = {
    NamePair{"input_layernorm.", "attn_norm."},   NamePair{"self_attn.q_proj.", "attn_q."},   NamePair{"self_attn.k_proj.", "attn_k."},
    NamePair{"self_attn.v_proj.", "attn_v."},     NamePair{"self_attn.o_proj.", "attn_output."}, NamePair{"self_attn.q_norm.", "attn_q_norm."},
    NamePair{"self_attn.k_norm.", "attn_k_norm."}, NamePair{"post_attention_layernorm.", "ffn_norm."}, NamePair{"mlp.gate_proj.", "ffn_gate."},
    NamePair{"mlp.up_proj.", "ffn_up."},          NamePair{"mlp.down_proj.", "ffn_down."}};

// "model.layers.3.mlp.up_proj.weight" -> "blk.3.ffn_up.weight".
std::string gguf_name(const std::string& name) {
  constexpr std::string_view kLayers = "model.layers.";
  if (name.starts_with(kLayers)) {
    const size_t dot = name.find('.', kLayers.size());
    const std::string_view inner = std::string_view(name).substr(dot + 1);
    for (const NamePair& pair : kLayerNames) {
      if (inner.starts_with(pair.hugging_face)) {
        return "blk." + name.substr(kLayers.size(), dot - kLayers.size()) + "." + std::string(pair.gguf) + std::string(inner.substr(pair.hugging_face.size()));
      }
    }
  }
  for (const NamePair& pair : kOuterNames) {
    if (name.starts_with(pair.hugging_face)) return std::string(pair.gguf) + name.substr(pair.hugging_face.size());
  }
  return name;
}

class GgufSource final : public WeightSource {
 public:
  GgufSource(const formats::GgufFile& file, size_t head_dim, bool permuted) : file_(file), head_dim_(head_dim), permuted_(permuted) {
    used_.insert("rope_freqs.weight");
  }

  tensor::WeightView find(const std::string& name, const TensorShape& shape) override {
    const std::string stored_name = gguf_name(name);
    const formats::GgufTensor* found = file_.header().find_tensor(stored_name);
    if (found == nullptr) return {};
    used_.insert(stored_name);
    check_shape(*found, shape);
    Bytes data = file_.get_supported(stored_name);
    const auto dtype = find_dtype(found->dtype);
    LYCEUM_CHECK(dtype.has_value(), "formats and models agree on the supported dtypes");
    const bool rotated = name.find("self_attn.q_proj.") != std::string::npos || name.find("self_attn.k_proj.") != std::string::npos;
    if (permuted_ && rotated) data = undo_permutation(data, shape);
    return {data.data(), *dtype, shape.rows, shape.columns};
  }

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
  void check_shape(const formats::GgufTensor& stored, const TensorShape& shape) const {
    std::vector<uint64_t> got = stored.shape;
    while (got.size() > 1 && got.back() == 1) got.pop_back();
    const bool fits = shape.vector || shape.rows == 1 ? got == std::vector<uint64_t>{shape.columns} : got == std::vector<uint64_t>{shape.columns, shape.rows};
    if (!fits) {
      std::string text;
      for (size_t i = got.size(); i-- > 0;) text += std::to_string(got[i]) + (i == 0 ? "" : ", ");
      throw Error(Code::unprocessable, what() + ": tensor " + stored.name + " has shape [" + text + "]; the metadata says " + describe(shape));
    }
  }

  Bytes undo_permutation(Bytes data, const TensorShape& shape) {
    const size_t rows = shape.vector ? shape.columns : shape.rows;
    storage.push_back(interleaved_to_halves(data, rows, data.size() / rows, head_dim_));
    return Bytes(*std::static_pointer_cast<std::vector<std::byte>>(storage.back()));
  }

  const formats::GgufFile& file_;
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
  if (kind == "longrope") refuse_field("rope.scaling.type", kind, "use the safetensors files of this model");
  rope["rope_type"] = kind == "none" ? "default" : kind;
  builder.copy_number("rope.freq_base", rope, "rope_theta");
  builder.copy_number("rope.scaling.factor", rope, "factor");
  builder.copy_number("rope.scaling.yarn_beta_fast", rope, "beta_fast");
  builder.copy_number("rope.scaling.yarn_beta_slow", rope, "beta_slow");
  if (const auto length = builder.find_int("rope.scaling.original_context_length")) rope["original_max_position_embeddings"] = *length;
  builder.config["rope_parameters"] = rope;
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
  builder.copy_int("expert_count", "num_local_experts");
  builder.copy_number("attention.layer_norm_rms_epsilon", builder.config, "rms_norm_eps");
  builder.config["head_dim"] = nullptr;
  builder.copy_int("attention.key_length", "head_dim");
  if (builder.config["head_dim"].is_null()) builder.copy_int("rope.dimension_count", "head_dim");
  if (builder.config["head_dim"].is_null()) builder.config.erase("head_dim");
  if (const auto length = builder.find_int("attention.value_length"); length && builder.config.contains("head_dim") && *length != builder.config["head_dim"].as_int64()) {
    refuse_field("attention.value_length", *length, "it must equal attention.key_length");
  }
  builder.config["sliding_window"] = nullptr;
  builder.copy_int("attention.sliding_window", "sliding_window");
  read_scaling(builder);
  const formats::GgufTensor* embedding = header.find_tensor("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) throw Error(Code::unprocessable, "GGUF: tensor token_embd.weight is missing");
  builder.config["vocab_size"] = static_cast<int64_t>(embedding->shape[1]);
  builder.config["tie_word_embeddings"] = header.find_tensor("output.weight") == nullptr;
  builder.config["attention_bias"] = header.find_tensor("blk.0.attn_q.bias") != nullptr;
  builder.config["mlp_bias"] = header.find_tensor("blk.0.ffn_gate.bias") != nullptr;
  if (const auto eos = header.find_int("tokenizer.ggml.eos_token_id")) builder.config["eos_token_id"] = *eos;
  if (const auto bos = header.find_int("tokenizer.ggml.bos_token_id")) builder.config["bos_token_id"] = *bos;
  return builder.config;
}

// Llama 3.1's scaling comes as a tensor of divisors instead of metadata.
void apply_rope_divisors(const formats::GgufFile& file, DecoderConfig& config) {
  const formats::GgufTensor* found = file.header().find_tensor("rope_freqs.weight");
  if (found == nullptr) return;
  auto& frequencies = config.rope.inverse_frequencies;
  if (found->dtype != "F32" || found->elements() != frequencies.size()) {
    throw Error(Code::unprocessable, file.path().string() + ": tensor rope_freqs.weight must be F32 with " + std::to_string(frequencies.size()) + " values");
  }
  std::vector<float> divisors(frequencies.size());
  kernels::dequantize(tensor::DType::f32, file.bytes(*found).data(), divisors.size(), divisors.data());
  for (size_t i = 0; i < frequencies.size(); ++i) {
    if (!(divisors[i] > 0)) throw Error(Code::unprocessable, file.path().string() + ": tensor rope_freqs.weight has a value that is not positive");
    frequencies[i] /= divisors[i];
  }
}

}  // namespace

std::shared_ptr<const Decoder> load_gguf(const std::filesystem::path& path) {
  auto file = std::make_shared<formats::GgufFile>(path);
  const std::string name = file->header().get_string("general.architecture");
  const Architecture* architecture = find_architecture_by_gguf_name(name);
  if (architecture == nullptr) throw Error(Code::unsupported, path.string() + ": general.architecture " + name + " is not supported");
  DecoderConfig config = read_config_object(config_from_metadata(file->header(), *architecture));
  config.output_bias = file->header().find_tensor("blk.0.attn_output.bias") != nullptr;
  apply_rope_divisors(*file, config);
  GgufSource source(*file, config.head_dim, architecture->gguf_permutes_qk);
  auto decoder = std::make_shared<Decoder>(bind_decoder(std::move(config), source));
  decoder->storage.insert(decoder->storage.end(), source.storage.begin(), source.storage.end());
  decoder->storage.push_back(file);
  return decoder;
}

}  // namespace lyceum::models
