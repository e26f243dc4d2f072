// Mistral: Llama without biases; one sliding window for all layers, absent when the field is null.
#include "models/architecture.h"

namespace lyceum::models {

void read_mistral(const json::object& config, DecoderConfig& out) {
  constexpr int64_t kDefaultWindow = 4096;  // of transformers' MistralConfig, where the file has no such field
  if (config.contains("layer_types")) refuse_field("layer_types", config.at("layer_types"), "Mistral has one kind of layer");
  read_window(config, kDefaultWindow, out);
}

}  // namespace lyceum::models
