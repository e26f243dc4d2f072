// bind.h: from a source of named tensors to a Decoder. Every file format (safetensors, GGUF, llama2.c, none at all) is one
// WeightSource; which tensors a model has and their shapes is decided here, once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/decoder.h"

namespace lyceum::models {

struct TensorShape {
  size_t rows = 0, columns = 0;
  bool vector = false;          // one-dimensional: rows == 1
};

// What a checkpoint calls its modules: the defaults are Llama's. Names of a layer follow `layers` and the layer's number; those of an
// expert follow `experts` and the expert's number.
struct ModuleNames {
  std::string_view embedding = "model.embed_tokens", positions = "", layers = "model.layers.", final_norm = "model.norm", head = "lm_head";
  std::string_view input_norm = "input_layernorm", mlp_norm = "post_attention_layernorm";
  std::string_view attention_output_norm = "post_attention_layernorm", mlp_output_norm = "post_feedforward_layernorm";
  std::string_view q = "self_attn.q_proj", k = "self_attn.k_proj", v = "self_attn.v_proj", qkv = "self_attn.qkv_proj", o = "self_attn.o_proj";
  std::string_view q_norm = "self_attn.q_norm", k_norm = "self_attn.k_norm";
  std::string_view q_a = "self_attn.q_a_proj", q_a_norm = "self_attn.q_a_layernorm", q_b = "self_attn.q_b_proj", kv_a = "self_attn.kv_a_proj_with_mqa";
  std::string_view kv_a_norm = "self_attn.kv_a_layernorm", kv_b = "self_attn.kv_b_proj", k_b = "self_attn.k_b_proj", v_b = "self_attn.v_b_proj";
  std::string_view gate = "mlp.gate_proj", up = "mlp.up_proj", gate_up = "mlp.gate_up_proj", down = "mlp.down_proj";
  std::string_view router = "mlp.gate", router_bias = "mlp.gate.e_score_correction_bias", experts = "mlp.experts.", expert_gate = "gate_proj", expert_up = "up_proj", expert_down = "down_proj";
  std::string_view shared_gate = "mlp.shared_expert_gate", shared_gate_proj = "mlp.shared_expert.gate_proj";
  std::string_view shared_up = "mlp.shared_expert.up_proj", shared_down = "mlp.shared_expert.down_proj";
  bool stacked_experts = false;   // all experts' matrices of a kind are one tensor, called by expert_gate, …
  std::string_view expert_gate_up = "";   // with stacked_experts: gate and up are one such tensor, called so
  bool split_latent = false;      // k_b and v_b may be there in place of kv_b, all heads' matrices in one tensor
};

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // The tensor of that name. Throws Error(unprocessable) naming the tensor when it has another shape or a dtype
  // that the engine does not compute with; returns an empty view when there is none of that name.
  virtual tensor::WeightView find(const std::string& name, const TensorShape& shape) = 0;
  // Matrix `index` of the `count` that one tensor holds; empty when there is none of that name. Asked only where names say so.
  virtual tensor::WeightView find_part(const std::string&, size_t, size_t, const TensorShape&) { return {}; }
  // Names present in the file that no find() asked for, in the words of the file.
  virtual std::vector<std::string> unused() const = 0;
  virtual std::string what() const = 0;   // for errors: the file or folder
  // The format's own names; null: those of the architecture's checkpoints.
  virtual const ModuleNames* names() const { return nullptr; }
};

// Throws Error(unprocessable) naming the missing, surplus or ill-shaped tensor. The caller adds `storage`.
Decoder bind_decoder(DecoderConfig config, WeightSource& source);

std::string describe(const TensorShape& shape);

}  // namespace lyceum::models
