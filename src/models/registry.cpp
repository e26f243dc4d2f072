#include <array>

#include "models/architecture.h"
#include "models/load.h"

namespace lyceum::models {

namespace {

constexpr std::string_view kPhi3Fields[] = {"partial_rotary_factor"};
constexpr std::string_view kGraniteFields[] = {"attention_multiplier", "residual_multiplier", "embedding_multiplier", "logits_scaling"};
constexpr std::string_view kGemma3Fields[] = {"hidden_act"};

// A GGUF name of "" means that files of that format are not read for the architecture.
constexpr std::array kArchitectures = {
    Architecture{"LlamaForCausalLM", "llama", "llama", {0, 0, 2048}, true, {}, read_llama},
    Architecture{"MistralForCausalLM", "mistral", "mistral", {8, 0, 131072}, true, {}, read_mistral},
    Architecture{"Qwen2ForCausalLM", "qwen2", "qwen2", {32, 0, 32768}, false, {}, read_qwen2},
    Architecture{"Qwen3ForCausalLM", "qwen3", "qwen3", {32, 128, 32768}, false, {}, read_qwen3},
    Architecture{"Phi3ForCausalLM", "phi3", "", {0, 0, 4096, 1e-5}, false, kPhi3Fields, read_phi3},
    Architecture{"GraniteForCausalLM", "granite", "", {0, 0, 2048}, false, kGraniteFields, read_granite},
    Architecture{"SmolLM3ForCausalLM", "smollm3", "", {4, 0, 32768, 1e-6, 2e6, true}, false, {}, read_smollm3},
    Architecture{"Olmo2ForCausalLM", "olmo2", "", {0, 0, 2048, 1e-5}, false, {}, read_olmo2},
    Architecture{"Gemma3ForCausalLM", "gemma3_text", "", {4, 256, 131072, 1e-6, 1e6, true}, false, kGemma3Fields, read_gemma3},
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
  return find_if([&](const Architecture& entry) { return !entry.gguf_name.empty() && entry.gguf_name == gguf_name; });
}

std::vector<std::string_view> architectures() {
  std::vector<std::string_view> names;
  for (const Architecture& entry : kArchitectures) names.push_back(entry.name);
  return names;
}

}  // namespace lyceum::models
