// decoder.h: the shape that every Llama-class model is brought to. An architecture file (llama.cpp, qwen2.cpp, …) maps a
// config.json and tensor names onto this; the engine's forward pass, the trainer's forward and backward passes and the
// adapters only see this.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tensor/view.h"

namespace lyceum::models {

// Rotary position embedding, rotate-half layout (Hugging Face). inv_freq and attention_scale are worked out at load for the
// kinds default, linear, dynamic (NTK), llama3, yarn, longrope as `transformers` does.
struct Rope {
  float theta = 10000.0f;
  std::vector<float> inverse_frequencies;   // head_dim / 2 values, scaling already applied
  float attention_scale = 1.0f;             // multiplies cos and sin (yarn, longrope)
};

struct DecoderConfig {
  std::string architecture;        // "LlamaForCausalLM"
  std::string model_type;          // "llama"
  uint32_t layers = 0;
  uint32_t hidden = 0;
  uint32_t intermediate = 0;
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t vocab = 0;
  uint32_t context = 0;            // max_position_embeddings
  float norm_epsilon = 1e-5f;
  bool tied_embeddings = false;
  Rope rope;
  std::vector<uint32_t> sliding_window;   // per layer, 0 = full attention
  std::vector<int32_t> eos_ids;
  int32_t bos_id = -1;
};

struct Linear {
  std::string name;                // HF module path: "model.layers.0.self_attn.q_proj"
  tensor::WeightView weight;       // (out, in)
  tensor::WeightView bias;         // empty if none
};

struct Norm {
  std::string name;
  tensor::WeightView weight;       // empty if the norm is absent (qk-norm)
};

struct DecoderLayer {
  Norm input_norm, post_attention_norm;
  Linear q, k, v, o;
  Norm q_norm, k_norm;             // per head (Qwen3); empty otherwise
  Linear gate, up, down;
};

// Owns the memory that the views point into (maps, or buffers for synthetic models) through `storage`.
struct Decoder {
  DecoderConfig config;
  Linear embedding;                // name "model.embed_tokens"
  std::vector<DecoderLayer> layers;
  Norm final_norm;
  Linear head;                     // name "lm_head"; same view as embedding when tied
  std::vector<std::shared_ptr<void>> storage;

  uint64_t parameters() const noexcept;   // tied tensors once
};

}  // namespace lyceum::models
