// config.json -> DecoderConfig. Fields that change the arithmetic and are not implemented are refused by name; fields that
// only matter in training or to Python are ignored.
#include <algorithm>
#include <array>

#include "models/architecture.h"
#include "models/bitsandbytes.h"
#include "models/load.h"

namespace lyceum::models {

namespace {

// Switches seen in the wild whose neutral value is the only one implemented. A numeric or boolean neutral value compares by
// value; null always counts as neutral.
struct NeutralSwitch {
  std::string_view field;
  double value;
  std::string_view remedy;
};
constexpr std::array kNeutralSwitches = {
    NeutralSwitch{"pretraining_tp", 1, "save the model with pretraining_tp 1"},
    NeutralSwitch{"partial_rotary_factor", 1, ""},
    NeutralSwitch{"final_logit_softcapping", 0, ""},
    NeutralSwitch{"attn_logit_softcapping", 0, ""},
    NeutralSwitch{"attention_multiplier", 1, ""},
    NeutralSwitch{"residual_multiplier", 1, ""},
    NeutralSwitch{"embedding_multiplier", 1, ""},
    NeutralSwitch{"logits_scaling", 1, ""},
    NeutralSwitch{"logit_scale", 1, ""},
    NeutralSwitch{"add_cross_attention", 0, ""},
    NeutralSwitch{"is_encoder_decoder", 0, ""},
    NeutralSwitch{"num_experts", 0, ""},
    NeutralSwitch{"num_local_experts", 0, ""},
    NeutralSwitch{"clip_qkv", 0, ""},
    NeutralSwitch{"scale_attn_by_inverse_layer_idx", 0, ""},
    NeutralSwitch{"scale_attn_weights", 1, ""},
    NeutralSwitch{"use_bidirectional_attention", 0, ""},
};

double number_of(const json::value& value) {
  if (value.is_bool()) return value.as_bool() ? 1 : 0;
  if (value.is_number()) return value.to_number<double>();
  return -1;
}

void refuse_unimplemented(const json::object& config, std::span<const std::string_view> own_fields) {
  const auto own = [own_fields](std::string_view field) { return std::ranges::find(own_fields, field) != own_fields.end(); };
  for (const NeutralSwitch& entry : kNeutralSwitches) {
    const auto* value = config.if_contains(entry.field);
    if (own(entry.field) || value == nullptr || value->is_null() || number_of(*value) == entry.value) continue;
    refuse_field(entry.field, *value, entry.remedy);
  }
  if (const auto act = find_string(config, "hidden_act"); act && *act != "silu" && *act != "swish" && !own("hidden_act")) {
    refuse_field("hidden_act", *act, "only silu is implemented");
  }
}

int32_t read_token_id(const json::value& value, std::string_view field) {
  if (!value.is_int64() || value.as_int64() < 0 || value.as_int64() > INT32_MAX) refuse_field(field, value, "it must be a token id");
  return static_cast<int32_t>(value.as_int64());
}

void read_special_ids(const json::object& config, DecoderConfig& out) {
  if (const auto* eos = config.if_contains("eos_token_id"); eos != nullptr && !eos->is_null()) {
    if (eos->is_array()) {
      for (const auto& id : eos->as_array()) out.eos_ids.push_back(read_token_id(id, "eos_token_id"));
    } else {
      out.eos_ids.push_back(read_token_id(*eos, "eos_token_id"));
    }
  }
  if (const auto* bos = config.if_contains("bos_token_id"); bos != nullptr && !bos->is_null()) out.bos_id = read_token_id(*bos, "bos_token_id");
}

const Architecture& select_architecture(const json::object& config) {
  const auto* names = find_array(config, "architectures");
  if (names != nullptr && !names->empty()) {
    const json::value& first = names->front();
    const std::string name = first.is_string() ? std::string(first.as_string()) : json::serialize(first);
    if (const Architecture* found = find_architecture(name)) return *found;
    std::string known;
    for (const auto each : architectures()) known += (known.empty() ? "" : ", ") + std::string(each);
    throw Error(Code::unsupported, "config.json: architecture " + name + " is not supported; supported are " + known);
  }
  const std::string type = get_string(config, "model_type");
  if (const Architecture* found = find_architecture_by_model_type(type)) return *found;
  throw Error(Code::unsupported, "config.json: model_type " + type + " is not supported and there is no field architectures");
}

}  // namespace

void refuse_field(std::string_view field, const json::value& value, std::string_view remedy) {
  std::string message = "config.json: " + std::string(field) + " = " + json::serialize(value) + " is not supported";
  if (!remedy.empty()) message += "; " + std::string(remedy);
  throw Error(Code::unsupported, message);
}

uint32_t read_size(const json::object& config, std::string_view key, std::optional<int64_t> absent) {
  constexpr int64_t kLimit = 1 << 24;
  const int64_t value = absent ? find_int(config, key).value_or(*absent) : get_int(config, key);
  if (value < 1 || value > kLimit) {
    throw Error(Code::unprocessable, "config.json: " + std::string(key) + " is " + std::to_string(value) + ", outside 1.." + std::to_string(kLimit));
  }
  return static_cast<uint32_t>(value);
}

void read_biases(const json::object& config, DecoderConfig& out) {
  out.qkv_bias = find_bool(config, "attention_bias").value_or(false);
  out.output_bias = out.qkv_bias;
  out.mlp_bias = find_bool(config, "mlp_bias").value_or(false);
}

std::optional<std::vector<bool>> find_sliding_layers(const json::object& config, uint32_t layers) {
  const auto* types = find_array(config, "layer_types");
  if (types == nullptr) return std::nullopt;
  if (types->size() != layers) refuse_field("layer_types", *types, "it needs one entry a layer");
  std::vector<bool> sliding(layers);
  for (size_t i = 0; i < layers; ++i) {
    const std::string type = (*types)[i].is_string() ? std::string((*types)[i].as_string()) : "";
    if (type != "full_attention" && type != "sliding_attention") refuse_field("layer_types", (*types)[i]);
    sliding[i] = type == "sliding_attention";
  }
  return sliding;
}

void read_layer_windows(const json::object& config, DecoderConfig& out) {
  constexpr int64_t kDefaultWindow = 4096, kDefaultMaxWindowLayers = 28;  // transformers' Qwen2Config and Qwen3Config
  out.sliding_window.assign(out.layers, 0);
  const bool use = find_bool(config, "use_sliding_window").value_or(false);
  const int64_t named = config.contains("sliding_window") ? find_int(config, "sliding_window").value_or(0) : kDefaultWindow;
  if (named < 0) refuse_field("sliding_window", named);
  const auto window = static_cast<uint32_t>(use ? named : 0);
  if (const auto sliding = find_sliding_layers(config, out.layers)) {
    for (size_t i = 0; i < out.layers; ++i) out.sliding_window[i] = (*sliding)[i] ? window : 0;
    return;
  }
  const int64_t first = find_int(config, "max_window_layers").value_or(kDefaultMaxWindowLayers);
  for (size_t i = 0; i < out.layers; ++i) {
    if (static_cast<int64_t>(i) >= first) out.sliding_window[i] = window;
  }
}

void read_window(const json::object& config, int64_t absent, DecoderConfig& out) {
  const int64_t window = config.contains("sliding_window") ? find_int(config, "sliding_window").value_or(0) : absent;
  if (window < 0 || window > UINT32_MAX) refuse_field("sliding_window", window);
  out.sliding_window.assign(out.layers, static_cast<uint32_t>(window));
}

void read_experts(const json::object& config, const ExpertsConfig& absent, DecoderConfig& out) {
  ExpertsConfig& experts = out.experts;
  experts = absent;
  constexpr int64_t kExpertsMax = 4096;
  const std::string_view field = config.contains("num_local_experts") ? "num_local_experts" : "num_experts";
  experts.count = read_size(config, field, absent.count);
  if (experts.count > kExpertsMax) refuse_field(field, int64_t{experts.count}, "the limit is 4096");
  experts.chosen = read_size(config, "num_experts_per_tok", absent.chosen);
  if (experts.chosen > experts.count) refuse_field("num_experts_per_tok", int64_t{experts.chosen}, "there are fewer experts");
  experts.intermediate = read_size(config, "moe_intermediate_size", absent.intermediate == 0 ? out.intermediate : absent.intermediate);
  experts.normalise = find_bool(config, "norm_topk_prob").value_or(absent.normalise);
  const int64_t step = find_int(config, "decoder_sparse_step").value_or(1);
  if (step < 1) refuse_field("decoder_sparse_step", step);
  experts.layers.resize(out.layers);
  for (size_t i = 0; i < out.layers; ++i) experts.layers[i] = (static_cast<int64_t>(i) + 1) % step == 0;
  const json::array* dense = find_array(config, "mlp_only_layers");
  for (size_t i = 0; dense != nullptr && i < dense->size(); ++i) {
    const json::value& layer = (*dense)[i];
    if (!layer.is_int64() || layer.as_int64() < 0 || layer.as_int64() >= out.layers) refuse_field("mlp_only_layers", layer);
    experts.layers[static_cast<size_t>(layer.as_int64())] = false;
  }
}

void read_partial_rotation(const json::object& config, double absent, DecoderConfig& out) {
  double factor = find_number(config, "partial_rotary_factor").value_or(absent);
  for (const std::string_view place : {"rope_parameters", "rope_scaling"}) {
    const auto* parameters = find_object(config, place);
    if (parameters != nullptr) factor = find_number(*parameters, "partial_rotary_factor").value_or(factor);
  }
  if (!(factor > 0 && factor <= 1)) refuse_field("partial_rotary_factor", factor, "it must be above 0 and at most 1");
  if (factor != 1) out.rotary_dim = static_cast<uint32_t>(out.head_dim * factor);
}

void require_activation(const json::object& config, std::string_view field, std::string_view wanted) {
  const auto name = find_string(config, field);
  if (name && *name != wanted) refuse_field(field, *name, "only " + std::string(wanted) + " is implemented for this architecture");
}

float read_softcap(const json::object& config, std::string_view field, double absent) {
  if (const auto* value = config.if_contains(field); value != nullptr && value->is_null()) return 0;
  return read_scale(config, field, absent);
}

float read_scale(const json::object& config, std::string_view field, double absent) {
  const double value = find_number(config, field).value_or(absent);
  if (!(value > 0 && value < 1e6)) refuse_field(field, value, "it must be a positive number");
  return static_cast<float>(value);
}

void validate(const DecoderConfig& config) {
  const auto fail = [](const std::string& why) { throw Error(Code::unprocessable, "model configuration: " + why); };
  if (config.layers > 4096) fail("num_hidden_layers " + std::to_string(config.layers) + " is above the limit of 4096");
  if (config.head_dim == 0 || config.head_dim % 2 != 0) fail("head_dim " + std::to_string(config.head_dim) + " must be even and positive");
  if (const LatentConfig& latent = config.latent; latent.rank != 0) {
    if (latent.rank + latent.rope > 576) throw Error(Code::unsupported, "model configuration: kv_lora_rank + qk_rope_head_dim is " + std::to_string(latent.rank + latent.rope) + ", above 576");
    if (uint64_t{config.heads} * (uint64_t{latent.rank} + latent.rope + latent.nope + latent.value) > (1u << 24)) fail("the heads of latent attention are together above the limit of 2^24");
  } else if (config.head_dim > 256) throw Error(Code::unsupported, "model configuration: head_dim " + std::to_string(config.head_dim) + " is above 256");
  if (config.rotary_dim % 2 != 0 || config.rotary_dim > config.head_dim) fail("the rotated part of a head, " + std::to_string(config.rotary_dim) + " values, must be even");
  if (config.heads % config.kv_heads != 0) {
    fail("num_attention_heads " + std::to_string(config.heads) + " is not a multiple of num_key_value_heads " + std::to_string(config.kv_heads));
  }
  if (uint64_t{config.heads} * config.head_dim > (1u << 24)) fail("num_attention_heads * head_dim is above the limit of 2^24");
  if (!(config.norm_epsilon > 0 && config.norm_epsilon < 1)) fail("rms_norm_eps must be between 0 and 1");
  for (const int32_t id : config.eos_ids) {
    if (static_cast<uint32_t>(id) >= config.vocab) fail("eos_token_id " + std::to_string(id) + " is outside the vocabulary of " + std::to_string(config.vocab));
  }
}

DecoderConfig read_config_object(const json::object& stored) {
  const Architecture& architecture = select_architecture(stored);
  json::object config = stored;
  if (architecture.rename != nullptr) architecture.rename(config);
  refuse_unimplemented(config, architecture.own_fields);
  DecoderConfig out;
  out.architecture = architecture.name;
  out.model_type = architecture.model_type;
  out.layers = read_size(config, "num_hidden_layers");
  out.hidden = read_size(config, "hidden_size");
  out.intermediate = read_size(config, "intermediate_size");
  out.heads = read_size(config, "num_attention_heads");
  const bool kv_null = config.contains("num_key_value_heads") && config.at("num_key_value_heads").is_null();
  out.kv_heads = read_size(config, "num_key_value_heads", architecture.defaults.kv_heads == 0 || kv_null ? out.heads : architecture.defaults.kv_heads);
  const uint32_t even_split = out.hidden / out.heads;
  if (!config.contains("head_dim") && architecture.defaults.head_dim == 0 && out.hidden % out.heads != 0) {
    throw Error(Code::unprocessable, "config.json: hidden_size is not a multiple of num_attention_heads and there is no head_dim");
  }
  out.head_dim = read_size(config, "head_dim", architecture.defaults.head_dim == 0 ? even_split : architecture.defaults.head_dim);
  out.vocab = read_size(config, "vocab_size");
  out.context = read_size(config, "max_position_embeddings", architecture.defaults.context);
  out.norm_epsilon = static_cast<float>(find_number(config, "rms_norm_eps").value_or(architecture.defaults.norm_epsilon));
  out.tied_embeddings = find_bool(config, "tie_word_embeddings").value_or(architecture.defaults.tied_embeddings);
  out.sliding_window.assign(out.layers, 0);
  read_special_ids(config, out);
  if (const auto* quantization = find_object(config, "quantization_config")) {
    if (find_string(*quantization, "quant_method").value_or("") == "bitsandbytes") {
      check_bitsandbytes_config(*quantization);
    } else {
      out.quantization = read_quantization(*quantization);
    }
  }
  architecture.read(config, out);
  validate(out);
  if (out.rope.inverse_frequencies.empty()) read_rope(config, architecture.defaults.rope_theta, out);
  return out;
}

DecoderConfig read_config(std::string_view config_json, std::string_view what) {
  const json::value value = parse_json(config_json, what, 4u << 20);
  return read_config_object(get_object(value, what));
}

}  // namespace lyceum::models
