// decoder.h: the shape that every decoder-only model is brought to. An architecture file (llama.cpp, qwen2.cpp, …) maps a
// config.json and tensor names onto this; the engine's forward pass, the trainer's forward and backward passes and the
// adapters only see this.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/quantization.h"
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

enum class Activation { silu, gelu_tanh };   // of the gate, or of the MLP without one: gelu_tanh is the tanh approximation of GELU
enum class NormKind { rms, layer };          // layer: minus the mean, with a bias

// How a layer's queries and keys are turned.
enum class LayerRope : uint8_t { main, local, none };

// A mixture of experts in place of the MLP: a router scores the experts, each row goes through the `chosen` best ones.
struct ExpertsConfig {
  uint32_t count = 0;              // 0 = no layer has experts
  uint32_t chosen = 0;             // of them a token
  uint32_t intermediate = 0;       // of one expert
  uint32_t shared_intermediate = 0;   // of one more expert that every token goes through; 0 = none
  bool shared_gate = false;        // that one's output is times sigmoid(gate x)
  bool normalise = true;           // the chosen experts' weights add up to 1
  bool sigmoid = false;            // a score's chance is its sigmoid, not its part of the softmax
  bool bias = false;               // a number an expert is added to its chance when experts are chosen, not to its weight
  uint32_t groups = 1, groups_chosen = 1;   // kernels/routing.h
  float scale = 1.0f;              // of the chosen experts' weights
  std::vector<bool> layers;        // which layers have them
};

// Latent attention (DeepSeek-V2): keys and values of all heads are products of one short vector a token, the latent, which is all that a cache
// keeps of it, beside one short rotated key that the heads share. A head's query and key are [nope, not turned | rope, turned].
struct LatentConfig {
  uint32_t rank = 0;               // of the latent; 0 = no latent attention
  uint32_t query_rank = 0;         // queries go through a vector of this size and its norm; 0 = they do not
  uint32_t nope = 0, rope = 0, value = 0;   // of a head; head_dim = nope + rope
};

struct ModuleNames;   // bind.h

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
  bool qk_norm_wide = false;       // with qk_norm: one norm over all heads together (OLMo 2) instead of one a head
  bool pre_norms = true;           // norms before attention and MLP
  bool output_norms = false;       // norms after attention and MLP, before they join the residual stream
  bool norms_minus_one = false;    // stored norm weights are w - 1 (Gemma's safetensors); undone when bound
  bool fused_qkv = false;          // stored as one matrix (Phi 3, GPT-2); bound as rows of it
  bool fused_gate_up = false;      // stored as one matrix (Phi 3, GLM-4); bound as rows of it
  bool transposed = false;         // matrices of layers are stored as (in, out) (GPT-2's safetensors); bound as a copy
  bool gated = true;               // the MLP is down(activation(gate x) * up x); otherwise down(activation(up x))
  bool learned_positions = false;  // a vector for each position is added to the embedding (GPT-2)
  NormKind norm = NormKind::rms;
  const ModuleNames* names = nullptr;   // of the checkpoint's modules; null = Llama's
  ExpertsConfig experts;
  Quantization quantization;       // of the file; what a Decoder's views hold is a type of the engine's
  LatentConfig latent;             // with a rank, q, k and v of a layer are empty and kv_heads is 1
  uint32_t surplus_layers = 0;     // after `layers`, in files: they predict further tokens (MTP) and are not loaded
  Activation activation = Activation::silu;
  float embedding_scale = 1.0f;    // multiplies embeddings
  float attention_scale = 0.0f;    // multiplies scores; 0 = 1 / sqrt(head_dim)
  float residual_scale = 1.0f;     // multiplies what attention and MLP add to the residual stream
  float logits_scale = 1.0f;       // multiplies logits
  float attention_softcap = 0.0f;  // scores become cap * tanh(score / cap), before the mask; 0 = off
  float logits_softcap = 0.0f;     // logits, likewise
  uint32_t rotary_dim = 0;         // leading values of a head that are turned; 0 = all
  bool rope_adjacent = false;      // (2i, 2i + 1) turn together (GLM), not (i, i + half)
  Rope rope;
  Rope local_rope;                        // of the layers that say so
  std::vector<LayerRope> layer_rope;      // per layer; empty = main everywhere
  std::vector<uint32_t> sliding_window;   // per layer, 0 = full attention
  std::vector<int32_t> eos_ids;
  int32_t bos_id = -1;

  // What a cache keeps of a token in a layer. With latent attention values are the beginning of the key.
  size_t key_columns() const noexcept { return latent.rank != 0 ? latent.rank + latent.rope : size_t{kv_heads} * head_dim; }
  size_t value_columns() const noexcept { return latent.rank != 0 ? 0 : key_columns(); }
  bool has_experts(size_t layer) const noexcept { return experts.count != 0 && experts.layers[layer]; }
  LayerRope rope_of(size_t layer) const noexcept { return layer_rope.empty() ? LayerRope::main : layer_rope[layer]; }
};

// Empty for the plain blocks of Llama, Mistral, Qwen2 and Qwen3; otherwise the part of the architecture that only the engine's
// forward pass implements ("norms after attention and MLP"), so that the trainer can refuse it by name.
std::string_view find_engine_only_part(const DecoderConfig& config) noexcept;

struct Linear {
  std::string name;                // HF module path: "model.layers.0.self_attn.q_proj"
  tensor::WeightView weight;       // (out, in)
  tensor::WeightView bias;         // empty if none; otherwise always aligned F32
};

struct Norm {
  std::string name;
  tensor::WeightView weight;       // empty if the norm is absent (qk-norm)
  tensor::WeightView bias;         // with NormKind::layer: aligned F32; otherwise empty
};

struct Mlp {
  Linear gate, up, down;           // gate: empty without one
};

struct Experts {
  Linear router;                   // (experts, hidden); empty in a layer without experts
  std::string bias_name;
  tensor::WeightView bias;         // aligned F32; empty without one
  std::vector<Mlp> each;
  Mlp shared;                      // empty without one
  Linear shared_gate;              // (1, hidden)
};

// The projections of latent attention. The latent's are one matrix (kv_b: of each head `nope` rows that make keys, then `value` rows that make
// values) or two (newer GGUF files): k_b, transposed in every head, and v_b.
struct Latent {
  Linear q_a;                      // (query_rank, hidden); empty without a query_rank
  Norm q_a_norm;
  Linear q_b;                      // (heads * (nope + rope), query_rank or hidden)
  Linear kv_a;                     // (rank + rope, hidden)
  Norm kv_a_norm;                  // of the latent alone
  Linear kv_b;                     // (heads * (nope + value), rank)
  Linear k_b, v_b;                 // (heads * rank, nope) and (heads * value, rank)
};

struct DecoderLayer {
  Norm input_norm;                 // before attention; empty without pre_norms
  Norm post_attention_norm;        // before the MLP, by Llama's name for it; empty without pre_norms
  Norm attention_output_norm, mlp_output_norm;   // with output_norms; otherwise empty
  Linear q, k, v, o;
  Norm q_norm, k_norm;             // per head (Qwen3); empty otherwise
  Linear gate, up, down;           // empty in a layer with experts; gate also without one
  Experts experts;
  Latent latent;                   // with latent attention
};

// Owns the memory that the views point into (maps, or buffers for synthetic models) through `storage`.
struct Decoder {
  DecoderConfig config;
  Linear embedding;                // name "model.embed_tokens"
  Linear positions;                // (context, hidden), with learned_positions
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

// Every linear module that LoRA may target, in layer order: q, k, v, o, and what there is of gate, up, down. Not the experts.
std::vector<const Linear*> list_linears(const Decoder& decoder);

}  // namespace lyceum::models
