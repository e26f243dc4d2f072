// quantization.h: what config.json's quantization_config says of weights that are stored in fewer bits than numbers have: FP8 with scales, GPTQ and
// AWQ. Their tensors are brought to the engine's own types when a model is loaded (repack.h).
#pragma once

#include <cstdint>
#include <string_view>

#include "base/json.h"

namespace lyceum::models {

struct Quantization {
  enum class Method : uint8_t { none, fp8, gptq, awq };
  Method method = Method::none;
  std::string_view scale_name;                 // fp8: of the tensor beside a weight, "weight_scale_inv"
  uint32_t block_rows = 0, block_columns = 0;  // fp8: values that share a scale; 0 = a scale for the matrix, or one a row, as its shape says
  uint32_t bits = 0;                           // gptq, awq
  uint32_t group = 0;                          // gptq, awq: inputs that share a scale; 0 = all
  bool symmetric = false;                      // gptq: the zero points are said to be in the middle
  bool zeros_less_one = false;                 // gptq, first version: zero points are stored less one
};

// Throws Error(unsupported) naming the field that is not understood.
Quantization read_quantization(const json::object& quantization_config);

}  // namespace lyceum::models
