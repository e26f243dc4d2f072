// Llama 2 and 3, Code Llama, DeepSeek-Coder and everything else that says LlamaForCausalLM.
#include "formats/gguf.h"
#include "models/architecture.h"

namespace lyceum::models {

void read_llama(const json::object& config, DecoderConfig& out) {
  read_biases(config, out);
}

// Mistral's files have Llama's name: what differs is that there may be a window.
void read_llama_gguf(const formats::GgufHeader&, json::object& config) {
  if (!config.at("sliding_window").is_null()) config["architectures"] = json::array{"MistralForCausalLM"};
}

}  // namespace lyceum::models
