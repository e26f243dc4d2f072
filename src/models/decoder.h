// decoder.h: the shape that every Llama-class model is brought to. An architecture file (llama.cpp, qwen2.cpp, …) maps a
// config.json and tensor names onto this; the engine's forward pass, the trainer's forward and backward passes and the
// adapters only see this.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/view.h"

namespace lyceum::models {

// Rotary position embedding, rotate-half layout (Hugging Face). Frequencies and attention_scale are worked out at load for
// the kinds default, linear, dynamic (NTK), llama3, yarn, longrope as `transformers` does. Two kinds depend on how long the
// sequence becomes: ask inverse_frequencies_for() once a sequence, with its final length, so that its cached keys stay valid.
struct Rope {
  enum class Kind { fixed, dynamic, longrope };
  Kind kind = Kind::fixed;
  float theta = 10000.0f;
  std::vector<float> inverse_frequencies;       // head_dim / 2 values, scaling already applied; the short set
  float attention_scale = 1.0f;                 // multiplies cos and sin (yarn, longrope)
  uint32_t original_context = 0;                // dynamic, longrope: up to this length the short set applies
  double factor = 1.0;                          // dynamic
  std::vector<float> long_inverse_frequencies;  // longrope

  std::vector<float> inverse_frequencies_for(uint64_t length) const;
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
  bool qkv_bias = false;
  bool output_bias = false;        // of self_attn.o_proj
  bool mlp_bias = false;
  bool qk_norm = false;
  Rope rope;
  std::vector<uint32_t> sliding_window;   // per layer, 0 = full attention
  std::vector<int32_t> eos_ids;
  int32_t bos_id = -1;
};

struct Linear {
  std::string name;                // HF module path: "model.layers.0.self_attn.q_proj"
  tensor::WeightView weight;       // (out, in)
  tensor::WeightView bias;         // empty if none; otherwise always aligned F32
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
  bool writable = false;                  // true only from make_decoder(): all weights F32 in owned memory
};

// One tensor under its Hugging Face checkpoint name ("model.layers.0.self_attn.q_proj.weight", "….bias").
struct NamedWeight {
  std::string name;
  tensor::WeightView view;
  bool vector = false;             // one-dimensional in the checkpoint (norms, biases)
};
// Every distinct tensor in a fixed order (embedding, layers 0.., final norm, head); a tied head is left out.
std::vector<NamedWeight> list_weights(const Decoder& decoder);

struct MutableWeight {
  std::string name;
  std::span<float> values;         // rows * columns, row-major; the decoder reads the same memory
  size_t rows = 0, columns = 0;
  bool vector = false;
};
// The same list, writable. REQUIRES: decoder.writable. Not to be written while another thread runs the decoder.
std::vector<MutableWeight> mutable_weights(Decoder& decoder);

// Every linear module that LoRA may target, in layer order: q, k, v, o, gate, up, down of each layer.
std::vector<const Linear*> list_linears(const Decoder& decoder);

}  // namespace lyceum::models
