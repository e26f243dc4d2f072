// Mistral: Llama without biases; one sliding window for all layers, absent when the field is null.
#include "models/architecture.h"

namespace lyceum::models {

void read_mistral(const json::object& config, DecoderConfig& out) {
  constexpr int64_t kDefaultWindow = 4096;  // of transformers' MistralConfig, where the file has no such field
  if (config.contains("layer_types")) refuse_field("layer_types", config.at("layer_types"), "Mistral has one kind of layer");
  const bool named = config.contains("sliding_window");
  const int64_t window = named ? find_int(config, "sliding_window").value_or(0) : kDefaultWindow;
  if (window < 0) refuse_field("sliding_window", window);
  out.sliding_window.assign(out.layers, static_cast<uint32_t>(window));
}

}  // namespace lyceum::models
