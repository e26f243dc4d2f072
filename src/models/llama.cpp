// Llama 2 and 3, Code Llama, DeepSeek-Coder and everything else that says LlamaForCausalLM.
#include "models/architecture.h"

namespace lyceum::models {

void read_llama(const json::object& config, DecoderConfig& out) {
  read_biases(config, out);
}

}  // namespace lyceum::models
