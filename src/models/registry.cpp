#include <array>

#include "models/architecture.h"
#include "models/load.h"

namespace lyceum::models {

namespace {

constexpr std::array kArchitectures = {
    Architecture{"LlamaForCausalLM", "llama", "llama", {0, 0, 2048}, true, read_llama},
    Architecture{"MistralForCausalLM", "mistral", "mistral", {8, 0, 131072}, true, read_mistral},
    Architecture{"Qwen2ForCausalLM", "qwen2", "qwen2", {32, 0, 32768}, false, read_qwen2},
    Architecture{"Qwen3ForCausalLM", "qwen3", "qwen3", {32, 128, 32768}, false, read_qwen3},
};

template <typename Match>
const Architecture* find_if(Match match) {
  for (const Architecture& entry : kArchitectures) {
    if (match(entry)) return &entry;
  }
  return nullptr;
}

}  // namespace

const Architecture* find_architecture(std::string_view name) {
  return find_if([&](const Architecture& entry) { return entry.name == name; });
}

const Architecture* find_architecture_by_model_type(std::string_view model_type) {
  return find_if([&](const Architecture& entry) { return entry.model_type == model_type; });
}

const Architecture* find_architecture_by_gguf_name(std::string_view gguf_name) {
  return find_if([&](const Architecture& entry) { return entry.gguf_name == gguf_name; });
}

std::vector<std::string_view> architectures() {
  std::vector<std::string_view> names;
  for (const Architecture& entry : kArchitectures) names.push_back(entry.name);
  return names;
}

}  // namespace lyceum::models
