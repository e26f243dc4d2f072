// mix.h: which tensor is stored as what under the names that GGUF files go by. "Q4_K_M" is not a type but a habit: most matrices Q4_K, those where
// rounding hurts most with more bits. The rules are llama.cpp's (llama-quant.cpp, checked against it tensor by tensor), so that a
// name means the same bits and bytes here.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "models/decoder.h"
#include "quantizer/tensors.h"

namespace lyceum::quantizer {

struct Mix {
  std::string_view name;     // "Q4_K_M"
  tensor::DType base;
  uint32_t file_type;        // general.file_type
};
std::span<const Mix> mixes();
const Mix* find_mix(std::string_view name);   // any case; null: unknown

struct MixFacts {
  uint32_t layers = 0, heads_a_kv_head = 1, experts = 0;
  bool tied = false;         // there is no output.weight
  bool importance = false;
};
MixFacts mix_facts(const models::DecoderConfig& config, bool importance);

// Vectors, norms, routers and learned positions stay float32. Rows that are not whole blocks of the type fall back to one of 32 values, then to f16.
tensor::DType choose_type(const Mix& mix, const MixFacts& facts, const SourceTensor& tensor);

}  // namespace lyceum::quantizer
