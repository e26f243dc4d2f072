// llama2.c checkpoints: tensors without names, rotation of adjacent pairs.
#include <map>

#include "formats/llama2c.h"
#include "models/architecture.h"
#include "models/bind.h"
#include "models/sources.h"

namespace lyceum::models {

namespace {

class Llama2cSource final : public WeightSource {
 public:
  explicit Llama2cSource(const formats::Llama2cFile& file, std::string name) : name_(std::move(name)) {
    const formats::Llama2cConfig& config = file.config();
    const formats::Llama2cTensors& tensors = file.tensors();
    const size_t head_dim = config.dim / config.heads;
    const auto halves = [&](Bytes weight, size_t rows) {
      storage.push_back(interleaved_to_halves(weight, rows, config.dim * sizeof(float), head_dim));
      const auto& moved = *std::static_pointer_cast<std::vector<std::byte>>(storage.back());
      return Bytes(moved);
    };
    by_name_["model.embed_tokens.weight"] = tensors.embedding;
    by_name_["model.norm.weight"] = tensors.final_norm;
    by_name_["lm_head.weight"] = tensors.head;
    for (uint32_t i = 0; i < config.layers; ++i) {
      const std::string prefix = "model.layers." + std::to_string(i) + ".";
      by_name_[prefix + "input_layernorm.weight"] = tensors.attention_norm[i];
      by_name_[prefix + "self_attn.q_proj.weight"] = halves(tensors.wq[i], config.heads * head_dim);
      by_name_[prefix + "self_attn.k_proj.weight"] = halves(tensors.wk[i], config.kv_heads * head_dim);
      by_name_[prefix + "self_attn.v_proj.weight"] = tensors.wv[i];
      by_name_[prefix + "self_attn.o_proj.weight"] = tensors.wo[i];
      by_name_[prefix + "post_attention_layernorm.weight"] = tensors.ffn_norm[i];
      by_name_[prefix + "mlp.gate_proj.weight"] = tensors.w1[i];
      by_name_[prefix + "mlp.down_proj.weight"] = tensors.w2[i];
      by_name_[prefix + "mlp.up_proj.weight"] = tensors.w3[i];
    }
  }

  tensor::WeightView find(const std::string& name, const TensorShape& shape) override {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return {};
    LYCEUM_CHECK(found->second.size() == shape.rows * shape.columns * sizeof(float), "the parser sized every tensor from the header");
    return {found->second.data(), tensor::DType::f32, shape.rows, shape.columns};
  }
  std::vector<std::string> unused() const override { return {}; }
  std::string what() const override { return name_; }

  std::vector<std::shared_ptr<void>> storage;

 private:
  std::map<std::string, Bytes> by_name_;
  std::string name_;
};

}  // namespace

std::shared_ptr<const Decoder> load_llama2c(const std::filesystem::path& path) {
  auto file = std::make_shared<formats::Llama2cFile>(path);
  const formats::Llama2cConfig& header = file->config();
  // The one llama2.c program has these constants built in.
  const json::object config{{"architectures", {"LlamaForCausalLM"}}, {"hidden_size", header.dim}, {"intermediate_size", header.hidden},
                            {"num_hidden_layers", header.layers}, {"num_attention_heads", header.heads}, {"num_key_value_heads", header.kv_heads},
                            {"vocab_size", header.vocab}, {"max_position_embeddings", header.context}, {"rms_norm_eps", 1e-5},
                            {"rope_theta", 10000.0}, {"tie_word_embeddings", header.shared_head}, {"bos_token_id", 1}, {"eos_token_id", {1, 2}}};
  const json::value reparsed = json::parse(json::serialize(config));  // integers signed, as from a file
  Llama2cSource source(*file, path.string());
  auto decoder = std::make_shared<Decoder>(bind_decoder(read_config_object(reparsed.as_object()), source));
  decoder->storage.insert(decoder->storage.end(), source.storage.begin(), source.storage.end());
  decoder->storage.push_back(file);
  return decoder;
}

}  // namespace lyceum::models
