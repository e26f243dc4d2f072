// Phi 3, 3.5 and 4: Llama with q, k, v and gate, up stored as one matrix each; Phi 4 mini turns only a part of each head.
#include "formats/gguf.h"
#include "models/architecture.h"

namespace lyceum::models {

void read_phi3(const json::object& config, DecoderConfig& out) {
  if (find_bool(config, "attention_bias").value_or(false)) refuse_field("attention_bias", true);
  read_partial_rotation(config, 1, out);
  out.fused_qkv = true;
  out.fused_gate_up = true;
  read_window(config, 0, out);
}

// A longrope comes as its length and its scale; the factors are tensors (gguf_source.cpp).
void read_phi3_gguf(const formats::GgufHeader& header, json::object& config) {
  if (header.find_tensor("rope_factors_long.weight") == nullptr) return;
  json::object& rope = config.at("rope_parameters").as_object();
  rope["rope_type"] = "longrope";
  if (const auto scale = header.find_number("phi3.rope.scaling.attn_factor")) rope["attention_factor"] = *scale;
}

}  // namespace lyceum::models
