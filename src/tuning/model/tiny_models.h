// tiny_models.h: small configurations with every switch of DecoderConfig, for the tests of this room.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tuning/data/sample.h"
#include "tuning/model/train_model.h"

namespace lyceum::tuning {

struct TinyModel {
  std::string_view name;
  std::string_view config;
};

inline constexpr TinyModel kTinyModels[] = {
    {"llama_gqa_untied", R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":24,"intermediate_size":40,"num_hidden_layers":2,
      "num_attention_heads":4,"num_key_value_heads":2,"vocab_size":61,"max_position_embeddings":64,"rms_norm_eps":1e-5,"rope_theta":10000.0,
      "tie_word_embeddings":false,"hidden_act":"silu"})"},
    {"llama_tied", R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
      "num_attention_heads":2,"num_key_value_heads":2,"vocab_size":61,"max_position_embeddings":64,"rms_norm_eps":1e-5,"rope_theta":10000.0,
      "tie_word_embeddings":true,"hidden_act":"silu"})"},
    {"qwen2_bias", R"({"architectures":["Qwen2ForCausalLM"],"model_type":"qwen2","hidden_size":24,"intermediate_size":40,"num_hidden_layers":2,
      "num_attention_heads":4,"num_key_value_heads":2,"vocab_size":61,"max_position_embeddings":64,"rms_norm_eps":1e-6,"rope_theta":1000000.0,
      "tie_word_embeddings":true,"hidden_act":"silu"})"},
    {"qwen3_qk_norm", R"({"architectures":["Qwen3ForCausalLM"],"model_type":"qwen3","hidden_size":24,"intermediate_size":40,"num_hidden_layers":2,
      "num_attention_heads":4,"num_key_value_heads":2,"head_dim":8,"vocab_size":61,"max_position_embeddings":64,"rms_norm_eps":1e-6,
      "rope_theta":1000000.0,"tie_word_embeddings":false,"hidden_act":"silu"})"},
    {"mistral_window", R"({"architectures":["MistralForCausalLM"],"model_type":"mistral","hidden_size":24,"intermediate_size":40,"num_hidden_layers":2,
      "num_attention_heads":4,"num_key_value_heads":2,"vocab_size":61,"max_position_embeddings":64,"rms_norm_eps":1e-5,"rope_theta":10000.0,
      "sliding_window":5,"tie_word_embeddings":false,"hidden_act":"silu"})"},
};

// Large enough values that every path matters: matrices N(0, 0.25), norms 1 + N(0, 0.1), biases N(0, 0.1).
void fill_for_test(TrainModel& model, uint64_t seed);
// Rows of random ids: three samples of 7, 11 and 5 tokens, some labels off.
std::vector<Sample> samples_for_test(size_t vocab, uint64_t seed);

}  // namespace lyceum::tuning
