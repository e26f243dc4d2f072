// architecture.h: what one architecture file supplies. Adding an architecture whose blocks are those of decoder.h is one new
// file with a function that finishes a DecoderConfig, and one line in registry.cpp.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "models/bind.h"
#include "models/decoder.h"

namespace lyceum::formats {
struct GgufHeader;
}

namespace lyceum::models {

// What config.json may leave out: the defaults of the architecture's configuration class in `transformers`.
struct ConfigDefaults {
  uint32_t kv_heads = 0;       // 0 = as many as heads
  uint32_t head_dim = 0;       // 0 = hidden / heads
  uint32_t context = 2048;
  double norm_epsilon = 1e-6;
  double rope_theta = 10000;
  bool tied_embeddings = false;
};

struct Architecture {
  std::string_view name;         // config.json: architectures[0]
  std::string_view model_type;   // config.json: model_type
  std::string_view gguf_name;    // GGUF: general.architecture; "" = files of that format are not read for it
  ConfigDefaults defaults;
  // llama.cpp's converter reorders the rows of q and k of this architecture from rotate-half to interleaved pairs.
  bool gguf_permutes_qk;
  // Fields of config.json that read() takes care of and that are refused for other architectures unless neutral (config.cpp).
  std::span<const std::string_view> own_fields;
  // Reads the fields that only this architecture has: biases, norms of heads, sliding windows. The shared fields are set.
  void (*read)(const json::object& config, DecoderConfig& out);
  bool experts = false;          // Mixtral's GGUF files have Llama's name: what differs is that there are experts
  // Where config.json has other names for the shared fields: sets those. Null: it has not.
  void (*rename)(json::object& config) = nullptr;
  // What a GGUF file of this architecture leaves unsaid or says in its own way -> fields of config.json. Null: nothing.
  void (*read_gguf)(const formats::GgufHeader& header, json::object& config) = nullptr;
};

const Architecture* find_architecture(std::string_view name);
const Architecture* find_architecture_by_model_type(std::string_view model_type);
const Architecture* find_architecture_by_gguf_name(std::string_view gguf_name, bool experts);

// One function a file: llama.cpp, mistral.cpp, …
void read_llama(const json::object& config, DecoderConfig& out);
void read_mistral(const json::object& config, DecoderConfig& out);
void read_qwen2(const json::object& config, DecoderConfig& out);
void read_qwen3(const json::object& config, DecoderConfig& out);
void read_phi3(const json::object& config, DecoderConfig& out);
void read_granite(const json::object& config, DecoderConfig& out);
void read_smollm3(const json::object& config, DecoderConfig& out);
void read_olmo2(const json::object& config, DecoderConfig& out);
void read_gemma2(const json::object& config, DecoderConfig& out);
void read_gemma3(const json::object& config, DecoderConfig& out);
void read_mixtral(const json::object& config, DecoderConfig& out);
void read_qwen2_moe(const json::object& config, DecoderConfig& out);
void read_qwen3_moe(const json::object& config, DecoderConfig& out);
void read_olmoe(const json::object& config, DecoderConfig& out);
void read_starcoder2(const json::object& config, DecoderConfig& out);
void read_gpt2(const json::object& config, DecoderConfig& out);
void rename_gpt2(json::object& config);
void read_glm(const json::object& config, DecoderConfig& out);
void read_glm4(const json::object& config, DecoderConfig& out);
void read_granite_moe(const json::object& config, DecoderConfig& out);
void read_deepseek_v2(const json::object& config, DecoderConfig& out);
void read_deepseek_v3(const json::object& config, DecoderConfig& out);
void read_glm4_moe(const json::object& config, DecoderConfig& out);
void read_glm4_moe_lite(const json::object& config, DecoderConfig& out);
void read_dots1(const json::object& config, DecoderConfig& out);
void read_deepseek_gguf(const formats::GgufHeader& header, json::object& config);
void read_glm4_moe_gguf(const formats::GgufHeader& header, json::object& config);
void read_dots1_gguf(const formats::GgufHeader& header, json::object& config);
void read_llama_gguf(const formats::GgufHeader& header, json::object& config);
void read_qwen3_moe_gguf(const formats::GgufHeader& header, json::object& config);
void read_gemma2_gguf(const formats::GgufHeader& header, json::object& config);
void read_gemma3_gguf(const formats::GgufHeader& header, json::object& config);
void read_phi3_gguf(const formats::GgufHeader& header, json::object& config);

// Helpers that the architecture files share.

// attention_bias -> q, k, v and o; mlp_bias -> gate, up and down. Absent fields mean none.
void read_biases(const json::object& config, DecoderConfig& out);
// layer_types: which layers are "sliding_attention"; nullopt when the field is absent. Error for another kind or length.
std::optional<std::vector<bool>> find_sliding_layers(const json::object& config, uint32_t layers);
// sliding_window for all layers; `absent` where the field is not there, none where it is null.
void read_window(const json::object& config, int64_t absent, DecoderConfig& out);
// num_experts or num_local_experts, num_experts_per_tok, moe_intermediate_size, norm_topk_prob, decoder_sparse_step, mlp_only_layers.
void read_experts(const json::object& config, const ExpertsConfig& absent, DecoderConfig& out);
// The fine-grained mixtures that DeepSeek-V2 began, after first_k_dense_replace dense layers: n_routed_experts, num_experts_per_tok,
// moe_intermediate_size, n_shared_experts, n_group, topk_group, routed_scaling_factor, norm_topk_prob. sigmoid: as DeepSeek-V3's, with a bias.
struct FineExperts {
  int64_t count = 0, chosen = 0, intermediate = 0, shared = 0, dense_layers = 0, groups = 1, groups_chosen = 1;
  bool normalise = false, sigmoid = false;
  double scale = 1;
};
void read_fine_experts(const json::object& config, const FineExperts& absent, DecoderConfig& out);
// The keys of a GGUF file that say the same -> those fields.
void read_fine_experts_gguf(const formats::GgufHeader& header, std::string_view prefix, json::object& config);
// num_nextn_predict_layers (or num_mtp_layers) -> surplus_layers.
void read_surplus_layers(const json::object& config, int64_t absent, DecoderConfig& out);
// A whole number in [1, 2^24]; `absent` where it is not there or null.
uint32_t read_size(const json::object& config, std::string_view key, std::optional<int64_t> absent = {});
// partial_rotary_factor, of the file or of its rope parameters -> rotary_dim.
void read_partial_rotation(const json::object& config, double absent, DecoderConfig& out);
// The name in hidden_act or hidden_activation, which must be the one that the architecture is implemented with.
void require_activation(const json::object& config, std::string_view field, std::string_view wanted);
// A positive number in the field, 0 where it is null, `absent` where it is not there.
float read_softcap(const json::object& config, std::string_view field, double absent);
// The per-layer windows of the Qwen family: use_sliding_window, sliding_window, max_window_layers, layer_types.
void read_layer_windows(const json::object& config, DecoderConfig& out);
// rope_parameters (transformers 5) or rope_scaling + rope_theta (before) -> out.rope. Needs head_dim and context set. For an
// architecture whose read() has not built out.rope itself.
void read_rope(const json::object& config, double theta, DecoderConfig& out);
// Builds out.rope from one flat rope dictionary; `theta` applies where the dictionary has none.
void build_rope(const json::object& parameters, double theta, DecoderConfig& out);
// A positive number, or `absent`; Error naming the field.
float read_scale(const json::object& config, std::string_view field, double absent);

[[noreturn]] void refuse_field(std::string_view field, const json::value& value, std::string_view remedy = {});
[[noreturn]] inline void refuse_field(std::string_view field, const std::string& value, std::string_view remedy = {}) {
  refuse_field(field, json::value(json::string(value)), remedy);
}

// Shared half of reading a config.json; throws naming the field. Calls the architecture's read().
DecoderConfig read_config_object(const json::object& config);
// Dimensions that the rest of the program relies on (even head_dim, heads a multiple of kv_heads, sane sizes).
void validate(const DecoderConfig& config);

}  // namespace lyceum::models
