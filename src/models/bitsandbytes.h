// bitsandbytes.h: base models in 4 bits (QLoRA). A matrix that bitsandbytes quantised to NF4 lies in safetensors as several tensors:
//
//   <name>                                 U8, (values / 2, 1)
//   <name>.absmax                          scales of blocks of 64: F32, or U8 when they are quantised again ("double")
//   <name>.quant_map                       F32, the 16 levels
//   <name>.nested_absmax, .nested_quant_map   double: scales of blocks of 256 scales, and the map of their bytes
//   <name>.quant_state.bitsandbytes__nf4   U8: a JSON text with shape, dtype, block sizes and the offset of the double scales
//
// Values are its own to the bit, both ways, but for two things: the offset of double scales is their mean, which PyTorch sums in an order of its
// machine's, and here is summed in double; and values are level times scale in float32, where bitsandbytes rounds them to the dtype that quant_state
// names (bfloat16, if the matrix was that before).
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/threads.h"
#include "models/decoder.h"

namespace lyceum::formats {
class SafetensorsModel;
}

namespace lyceum::models {

struct OwnedWeight {
  tensor::WeightView view;
  std::shared_ptr<void> storage;
};

// The matrix `name` if it is stored so; its tensors' names are added to `used`. As NF4 where rows are whole blocks, otherwise as float32 of the
// same values. Throws Error(unsupported | unprocessable) naming the tensor: FP4, other block sizes, parts that are missing or do not fit.
std::optional<OwnedWeight> find_bitsandbytes(const formats::SafetensorsModel& model, const std::string& name, size_t rows, size_t columns, std::set<std::string>& used);

// Throws Error(unsupported) unless a config.json's quantization_config says what find_bitsandbytes reads.
void check_bitsandbytes_config(const json::object& quantization);

// A matrix in 4 bits, as it is stored.
struct Nf4Matrix {
  size_t rows = 0, columns = 0;
  std::vector<uint8_t> packed;
  std::vector<float> scales;              // as they are used; double: those of the stored bytes
  bool is_double = false;
  std::vector<uint8_t> scale_codes;       // double
  std::vector<float> nested_scales;
  float offset = 0;
};
Nf4Matrix quantize_nf4(ThreadPool& pool, const tensor::WeightView& weight, bool is_double);
OwnedWeight read_as_weight(const Nf4Matrix& matrix);

// The decoder with every linear layer but the head in 4 bits; embedding, head, norms and biases as they are. Pages of mapped files that were
// read are given back as it goes.
std::shared_ptr<const Decoder> with_nf4_linears(const std::shared_ptr<const Decoder>& decoder, bool is_double, ThreadPool& pool);

}  // namespace lyceum::models
