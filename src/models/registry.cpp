#include <array>

#include "models/architecture.h"
#include "models/load.h"

namespace lyceum::models {

namespace {

constexpr std::string_view kPartialFields[] = {"partial_rotary_factor"};
constexpr std::string_view kGraniteFields[] = {"attention_multiplier", "residual_multiplier", "embedding_multiplier", "logits_scaling"};
constexpr std::string_view kActivationFields[] = {"hidden_act"};
constexpr std::string_view kGemma2Fields[] = {"hidden_act", "attn_logit_softcapping", "final_logit_softcapping"};
constexpr std::string_view kExpertFields[] = {"num_experts", "num_local_experts"};
constexpr std::string_view kGraniteMoeFields[] = {"attention_multiplier", "residual_multiplier", "embedding_multiplier", "logits_scaling", "num_local_experts"};
constexpr std::string_view kGlmMoeFields[] = {"partial_rotary_factor", "num_experts", "num_local_experts"};

constexpr std::array kArchitectures = {
    Architecture{"LlamaForCausalLM", "llama", "llama", {0, 0, 2048}, true, {}, read_llama, false, nullptr, read_llama_gguf},
    Architecture{"MistralForCausalLM", "mistral", "mistral", {8, 0, 131072}, true, {}, read_mistral},
    Architecture{"MixtralForCausalLM", "mixtral", "llama", {8, 0, 131072, 1e-5, 1e6}, true, kExpertFields, read_mixtral, true},
    Architecture{"Qwen2ForCausalLM", "qwen2", "qwen2", {32, 0, 32768}, false, {}, read_qwen2},
    Architecture{"Qwen2MoeForCausalLM", "qwen2_moe", "qwen2moe", {16, 0, 32768}, false, kExpertFields, read_qwen2_moe, true},
    Architecture{"Qwen3ForCausalLM", "qwen3", "qwen3", {32, 128, 32768}, false, {}, read_qwen3},
    Architecture{"Qwen3MoeForCausalLM", "qwen3_moe", "qwen3moe", {4, 0, 32768}, false, kExpertFields, read_qwen3_moe, true, nullptr, read_qwen3_moe_gguf},
    Architecture{"Phi3ForCausalLM", "phi3", "phi3", {0, 0, 4096, 1e-5}, false, kPartialFields, read_phi3, false, nullptr, read_phi3_gguf},
    Architecture{"GraniteForCausalLM", "granite", "granite", {0, 0, 2048}, true, kGraniteFields, read_granite},
    Architecture{"GraniteMoeForCausalLM", "granitemoe", "granitemoe", {0, 0, 2048}, true, kGraniteMoeFields, read_granite_moe, true},
    Architecture{"SmolLM3ForCausalLM", "smollm3", "smollm3", {4, 0, 32768, 1e-6, 2e6, true}, true, {}, read_smollm3},
    Architecture{"Olmo2ForCausalLM", "olmo2", "olmo2", {0, 0, 2048, 1e-5}, false, {}, read_olmo2},
    Architecture{"OlmoeForCausalLM", "olmoe", "olmoe", {0, 0, 4096, 1e-5}, false, kExpertFields, read_olmoe, true},
    Architecture{"Gemma2ForCausalLM", "gemma2", "gemma2", {4, 256, 8192, 1e-6, 1e4, true}, false, kGemma2Fields, read_gemma2, false, nullptr, read_gemma2_gguf},
    Architecture{"Gemma3ForCausalLM", "gemma3_text", "gemma3", {4, 256, 131072, 1e-6, 1e6, true}, false, kActivationFields, read_gemma3, false, nullptr, read_gemma3_gguf},
    Architecture{"Starcoder2ForCausalLM", "starcoder2", "starcoder2", {2, 0, 4096, 1e-5, 1e4, true}, false, kActivationFields, read_starcoder2},
    Architecture{"GPT2LMHeadModel", "gpt2", "gpt2", {0, 0, 1024, 1e-5, 1e4, true}, false, {}, read_gpt2, false, rename_gpt2},
    Architecture{"GlmForCausalLM", "glm", "", {2, 128, 131072, 1.5625e-7}, false, kPartialFields, read_glm},
    Architecture{"Glm4ForCausalLM", "glm4", "glm4", {2, 128, 131072, 1.5625e-7}, false, kPartialFields, read_glm4},
    Architecture{"Glm4MoeForCausalLM", "glm4_moe", "glm4moe", {8, 0, 131072, 1e-5}, false, kGlmMoeFields, read_glm4_moe, true, nullptr, read_glm4_moe_gguf},
    Architecture{"Glm4MoeLiteForCausalLM", "glm4_moe_lite", "", {0, 0, 202752, 1e-5}, false, kExpertFields, read_glm4_moe_lite, true},
    Architecture{"Dots1ForCausalLM", "dots1", "dots1", {0, 0, 2048}, false, kExpertFields, read_dots1, true, nullptr, read_dots1_gguf},
    Architecture{"DeepseekV2ForCausalLM", "deepseek_v2", "deepseek2", {0, 0, 2048}, false, kExpertFields, read_deepseek_v2, true, nullptr, read_deepseek_gguf},
    Architecture{"DeepseekV3ForCausalLM", "deepseek_v3", "", {0, 0, 4096}, false, kExpertFields, read_deepseek_v3, true},
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

const Architecture* find_architecture_by_gguf_name(std::string_view gguf_name, bool experts) {
  return find_if([&](const Architecture& entry) { return !entry.gguf_name.empty() && entry.gguf_name == gguf_name && entry.experts == experts; });
}

std::vector<std::string_view> architectures() {
  std::vector<std::string_view> names;
  for (const Architecture& entry : kArchitectures) names.push_back(entry.name);
  return names;
}

}  // namespace lyceum::models
