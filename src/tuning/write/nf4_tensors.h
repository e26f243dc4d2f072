// nf4_tensors.h: a matrix in 4 bits as the tensors that bitsandbytes and transformers write for it (models/bitsandbytes.h).
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "formats/safetensors.h"
#include "models/bitsandbytes.h"

namespace lyceum::tuning {

struct Nf4Tensor {
  formats::SafetensorsSpec spec;
  std::vector<std::byte> bytes;
};

inline constexpr std::string_view kNf4State = ".quant_state.bitsandbytes__nf4";

// Names of the tensors that may lie beside the matrix `name`.
std::vector<std::string> nf4_parts(const std::string& name);
// The stored dtype is float32, whatever the matrix had before: bitsandbytes rounds the values that it gives back to that dtype.
std::map<std::string, Nf4Tensor> nf4_tensors(const std::string& name, const models::Nf4Matrix& matrix);
// The quantization_config of such a model.
json::object nf4_config(bool is_double);

}  // namespace lyceum::tuning
