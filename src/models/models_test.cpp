#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/error.h"
#include "models/load.h"

namespace lyceum::models {
namespace {

constexpr const char* kTiny = R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":16,"intermediate_size":24,
  "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"vocab_size":32,"max_position_embeddings":64,
  "rms_norm_eps":1e-5,"tie_word_embeddings":true,"eos_token_id":[1,2],"bos_token_id":0,"rope_theta":10000.0})";

// The tiny config with one field replaced or added.
std::string with_field(const std::string& field, const std::string& value) {
  std::string text = kTiny;
  text.erase(text.rfind('}'));
  if (const auto at = text.find("\"" + field + "\""); at != std::string::npos) {
    size_t end = text.find(",\"", at), bracket = text.find(']', at);
    if (text[text.find(':', at) + 1] == '[') end = text.find(",\"", bracket);
    text.erase(at, end == std::string::npos ? end : end + 1 - at);
  }
  while (!text.empty() && (text.back() == ',' || text.back() == '\n')) text.pop_back();
  return text + ",\"" + field + "\":" + value + "}";
}

std::string message_of(const std::string& config) {
  try {
    read_config(config);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(MakeDecoder, ListsEveryWeightOnceUnderItsCheckpointName) {
  const auto decoder = make_decoder(kTiny);
  const auto weights = mutable_weights(*decoder);
  ASSERT_EQ(weights.size(), 1 + 2 * 9 + 1u);
  EXPECT_EQ(weights.front().name, "model.embed_tokens.weight");
  EXPECT_EQ(weights[1].name, "model.layers.0.input_layernorm.weight");
  EXPECT_EQ(weights.back().name, "model.norm.weight");
  uint64_t total = 0;
  for (const auto& weight : weights) total += weight.values.size();
  EXPECT_EQ(total, decoder->parameters());
  EXPECT_EQ(list_linears(*decoder).size(), 14u);
}

TEST(MakeDecoder, WritesReachTheViews) {
  const auto decoder = make_decoder(kTiny);
  mutable_weights(*decoder).front().values[3] = 2.5f;
  EXPECT_EQ(reinterpret_cast<const float*>(decoder->head.weight.data)[3], 2.5f);
}

TEST(ReadConfig, ReadsSharedFields) {
  const DecoderConfig config = read_config(kTiny);
  EXPECT_EQ(config.head_dim, 4u);
  EXPECT_EQ(config.eos_ids, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(config.bos_id, 0);
  EXPECT_EQ(config.rope.inverse_frequencies.size(), 2u);
}

TEST(ReadConfig, RefusesSwitchesByName) {
  const std::pair<const char*, const char*> cases[] = {
      {"hidden_act", "\"gelu\""},
      {"pretraining_tp", "2"},
      {"quantization_config", "{\"quant_method\":\"bitsandbytes\"}"},
      {"quantization_config", "{\"quant_method\":\"awq\",\"version\":\"gemv\"}"},
      {"quantization_config", "{\"quant_method\":\"awq\",\"bits\":8}"},
      {"quantization_config", "{\"quant_method\":\"gptq\",\"bits\":3}"},
      {"quantization_config", "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":48}"},
      {"quantization_config", "{\"quant_method\":\"fp8\",\"weight_block_size\":[128]}"},
      {"quantization_config", "{\"quant_method\":\"fp8\",\"fmt\":\"e5m2\"}"},
      {"quantization_config", "{\"quant_method\":\"compressed-tensors\",\"format\":\"pack-quantized\"}"},
      {"rope_scaling", "{\"rope_type\":\"mrope\"}"},
      {"partial_rotary_factor", "0.5"},
      {"final_logit_softcapping", "30.0"},
      {"architectures", "[\"MambaForCausalLM\"]"},
      {"num_key_value_heads", "3"},
      {"vocab_size", "-4"},
      {"head_dim", "5"},
      {"eos_token_id", "99"},
  };
  for (const auto& [field, value] : cases) {
    const std::string message = message_of(with_field(field, value));
    EXPECT_FALSE(message.empty()) << field;
    const bool named = message.find(field) != std::string::npos || message.find("rope_type") != std::string::npos ||
                       message.find("Mamba") != std::string::npos;
    EXPECT_TRUE(named) << field << " -> " << message;
  }
}

TEST(ReadConfig, AcceptsNeutralSwitches) {
  EXPECT_EQ(message_of(with_field("pretraining_tp", "1")), "");
  EXPECT_EQ(message_of(with_field("quantization_config", "null")), "");
  EXPECT_EQ(message_of(with_field("rope_parameters", "{\"rope_type\":\"default\",\"rope_theta\":500000.0}")), "");
}

TEST(ReadConfig, PlacesSlidingWindows) {
  const std::string qwen = R"({"architectures":["Qwen2ForCausalLM"],"hidden_size":16,"intermediate_size":24,"num_hidden_layers":3,
    "num_attention_heads":4,"num_key_value_heads":2,"vocab_size":32,"use_sliding_window":true,"sliding_window":8,"max_window_layers":1})";
  EXPECT_EQ(read_config(qwen).sliding_window, (std::vector<uint32_t>{0, 8, 8}));
  EXPECT_TRUE(read_config(qwen).qkv_bias);
}

constexpr const char* kExperts = R"({"architectures":["Qwen3MoeForCausalLM"],"hidden_size":16,"intermediate_size":24,"num_hidden_layers":4,"num_attention_heads":4,
  "num_key_value_heads":2,"vocab_size":32,"num_experts":6,"num_experts_per_tok":3,"moe_intermediate_size":8,"decoder_sparse_step":2,"mlp_only_layers":[3]})";

TEST(ReadConfig, PlacesExperts) {
  const DecoderConfig config = read_config(kExperts);
  EXPECT_EQ(config.experts.layers, (std::vector<bool>{false, true, false, false}));
  EXPECT_EQ(config.experts.intermediate, 8u);
  EXPECT_FALSE(config.experts.normalise);
  std::string too_few = kExperts;
  too_few.replace(too_few.find("\"num_experts\":6"), 15, "\"num_experts\":2");
  EXPECT_NE(message_of(too_few).find("num_experts_per_tok"), std::string::npos);
}

TEST(MakeDecoder, ListsExpertsUnderTheirCheckpointNames) {
  const auto decoder = make_decoder(kExperts);
  const auto weights = list_weights(*decoder);
  const auto has = [&](std::string_view name) { return std::ranges::any_of(weights, [&](const NamedWeight& each) { return each.name == name; }); };
  EXPECT_TRUE(has("model.layers.1.mlp.experts.5.down_proj.weight"));
  EXPECT_TRUE(has("model.layers.1.mlp.gate.weight"));
  EXPECT_TRUE(has("model.layers.0.mlp.up_proj.weight"));
  EXPECT_FALSE(has("model.layers.1.mlp.up_proj.weight"));
  EXPECT_EQ(list_linears(*decoder).size(), 4 * 4 + 3 * 3u);   // what LoRA may target: not the experts
}

constexpr const char* kLatent = R"({"architectures":["DeepseekV3ForCausalLM"],"hidden_size":16,"intermediate_size":24,"num_hidden_layers":3,"num_attention_heads":4,
  "num_key_value_heads":4,"vocab_size":32,"n_routed_experts":8,"num_experts_per_tok":3,"moe_intermediate_size":8,"n_shared_experts":2,"n_group":4,"topk_group":2,
  "first_k_dense_replace":1,"kv_lora_rank":12,"q_lora_rank":10,"qk_nope_head_dim":6,"qk_rope_head_dim":4,"v_head_dim":6,"scoring_func":"sigmoid",
  "rope_scaling":{"type":"yarn","factor":40,"mscale":1.0,"mscale_all_dim":1.0,"original_max_position_embeddings":4096}})";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  text.replace(text.find(from), from.size(), to);
  return text;
}

TEST(ReadConfig, ReadsLatentAttention) {
  const DecoderConfig config = read_config(kLatent);
  EXPECT_EQ(config.key_columns(), 16u);
  EXPECT_EQ(config.value_columns(), 0u);
  EXPECT_EQ(config.head_dim, 10u);
  EXPECT_EQ(config.rope.inverse_frequencies.size(), 2u);
  const double stretched = 0.1 * std::log(40.0) + 1;
  EXPECT_NEAR(config.attention_scale, stretched * stretched / std::sqrt(10.0), 1e-6);
  EXPECT_EQ(config.rope.attention_scale, 1.0f);
  EXPECT_EQ(config.experts.shared_intermediate, 16u);
  EXPECT_EQ(config.experts.layers, (std::vector<bool>{false, true, true}));
  EXPECT_EQ(find_engine_only_part(config), "latent attention");
}

TEST(ReadConfig, RefusesWhatItsRouterDoesNotCompute) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"\"n_group\":4", "\"n_group\":3", "n_group"},
      {"\"n_group\":4", "\"n_group\":8", "n_group"},
      {"\"topk_group\":2", "\"topk_group\":1", "num_experts_per_tok"},
      {"\"topk_group\":2", "\"topk_group\":5", "topk_group"},
      {"\"sigmoid\"", "\"softmax\"", "scoring_func"},
      {"\"n_routed_experts\":8", "\"n_routed_experts\":5000", "n_routed_experts"},
      {"\"kv_lora_rank\":12", "\"kv_lora_rank\":1024", "kv_lora_rank"},
      {"\"first_k_dense_replace\":1", "\"moe_layer_freq\":2", "moe_layer_freq"},
      {"\"q_lora_rank\":10", "\"q_lora_rank\":-1", "q_lora_rank"},
  };
  for (const auto& [from, to, named] : cases) EXPECT_NE(message_of(replaced(kLatent, from, to)).find(named), std::string::npos) << to << ": " << message_of(replaced(kLatent, from, to));
  const std::string second = replaced(replaced(kLatent, "DeepseekV3", "DeepseekV2"), "\"sigmoid\"", "\"softmax\"");
  EXPECT_EQ(message_of(second), "");
  EXPECT_NE(message_of(replaced(second, "\"n_group\":4", "\"n_group\":4,\"norm_topk_prob\":true")).find("norm_topk_prob"), std::string::npos);
}

TEST(MakeDecoder, ListsTheProjectionsOfLatentAttention) {
  const auto decoder = make_decoder(kLatent);
  const auto weights = list_weights(*decoder);
  const auto find = [&](std::string_view name) { return std::ranges::find_if(weights, [&](const NamedWeight& each) { return each.name == name; }); };
  ASSERT_NE(find("model.layers.2.self_attn.kv_b_proj.weight"), weights.end());
  EXPECT_EQ(find("model.layers.2.self_attn.kv_b_proj.weight")->view.rows, 48u);
  EXPECT_NE(find("model.layers.0.self_attn.q_a_layernorm.weight"), weights.end());
  EXPECT_NE(find("model.layers.1.mlp.gate.e_score_correction_bias"), weights.end());
  EXPECT_NE(find("model.layers.1.mlp.shared_experts.up_proj.weight"), weights.end());
  EXPECT_EQ(find("model.layers.0.self_attn.q_proj.weight"), weights.end());
  EXPECT_EQ(list_linears(*decoder).size(), 3 + 3u);   // o of every layer, the MLP of the first
}

TEST(FindEngineOnlyPart, NamesWhatHasNoBackwardPass) {
  EXPECT_EQ(find_engine_only_part(read_config(kTiny)), "");
  EXPECT_EQ(find_engine_only_part(read_config(kExperts)), "mixtures of experts");
  for (const char* name : {"Gemma2ForCausalLM", "Starcoder2ForCausalLM", "GPT2LMHeadModel", "GlmForCausalLM", "Glm4ForCausalLM"}) {
    const DecoderConfig config = read_config(with_field("architectures", "[\"" + std::string(name) + "\"]"));
    EXPECT_NE(find_engine_only_part(config), "") << name;
  }
}

TEST(Rope, DynamicGrowsOnlyBeyondItsContext) {
  const DecoderConfig config = read_config(with_field("rope_scaling", R"({"type":"dynamic","factor":2.0})"));
  EXPECT_EQ(config.rope.inverse_frequencies_for(64), config.rope.inverse_frequencies);
  EXPECT_LT(config.rope.inverse_frequencies_for(128)[1], config.rope.inverse_frequencies[1]);
}

}  // namespace
}  // namespace lyceum::models
