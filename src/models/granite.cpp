// IBM Granite (dense): Llama with constant factors on embeddings, scores, residual branches and logits.
#include "models/architecture.h"

namespace lyceum::models {

void read_granite(const json::object& config, DecoderConfig& out) {
  read_biases(config, out);
  out.embedding_scale = read_scale(config, "embedding_multiplier", 1);
  out.attention_scale = read_scale(config, "attention_multiplier", 1);
  out.residual_scale = read_scale(config, "residual_multiplier", 1);
  out.logits_scale = 1.0f / read_scale(config, "logits_scaling", 1);
}

}  // namespace lyceum::models
