#include "tuning/write/nf4_tensors.h"

#include <span>

#include <fmt/format.h>

#include "kernels/dynamic8.h"
#include "kernels/nf4.h"

namespace lyceum::tuning {

namespace {

template <typename Values>
std::vector<std::byte> bytes_of(const Values& values) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

// Spelt as Python's json.dumps spells it.
std::string state_text(const models::Nf4Matrix& matrix) {
  std::string text = fmt::format(R"({{"quant_type": "nf4", "blocksize": {}, "dtype": "float32", "shape": [{}, {}])", kernels::kNf4Block, matrix.rows, matrix.columns);
  if (matrix.is_double) text += fmt::format(R"(, "nested_blocksize": {}, "nested_dtype": "float32", "nested_offset": {})", kernels::kDynamic8Block, double{matrix.offset});
  return text + "}";
}

}  // namespace

std::vector<std::string> nf4_parts(const std::string& name) {
  std::vector<std::string> out;
  for (const std::string_view part : {std::string_view(".absmax"), std::string_view(".quant_map"), std::string_view(".nested_absmax"), std::string_view(".nested_quant_map"), kNf4State}) {
    out.push_back(name + std::string(part));
  }
  return out;
}

std::map<std::string, Nf4Tensor> nf4_tensors(const std::string& name, const models::Nf4Matrix& matrix) {
  std::map<std::string, Nf4Tensor> out;
  const auto put = [&](const std::string& suffix, std::string stored, std::vector<uint64_t> shape, std::vector<std::byte> bytes) {
    out[name + suffix] = {{name + suffix, std::move(stored), std::move(shape)}, std::move(bytes)};
  };
  put("", "U8", {matrix.packed.size(), 1}, bytes_of(matrix.packed));
  put(".quant_map", "F32", {16}, bytes_of(kernels::kNf4Levels));
  if (matrix.is_double) {
    put(".absmax", "U8", {matrix.scale_codes.size()}, bytes_of(matrix.scale_codes));
    put(".nested_absmax", "F32", {matrix.nested_scales.size()}, bytes_of(matrix.nested_scales));
    put(".nested_quant_map", "F32", {256}, bytes_of(kernels::dynamic_map(true)));
  } else {
    put(".absmax", "F32", {matrix.scales.size()}, bytes_of(matrix.scales));
  }
  const std::string state = state_text(matrix);
  put(std::string(kNf4State), "U8", {state.size()}, bytes_of(state));
  return out;
}

json::object nf4_config(bool is_double) {
  return {{"_load_in_4bit", true}, {"_load_in_8bit", false}, {"bnb_4bit_compute_dtype", "float32"}, {"bnb_4bit_quant_storage", "uint8"}, {"bnb_4bit_quant_type", "nf4"},
          {"bnb_4bit_use_double_quant", is_double}, {"llm_int8_enable_fp32_cpu_offload", false}, {"llm_int8_has_fp16_weight", false}, {"llm_int8_skip_modules", nullptr},
          {"llm_int8_threshold", 6.0}, {"load_in_4bit", true}, {"load_in_8bit", false}, {"quant_method", "bitsandbytes"}};
}

}  // namespace lyceum::tuning
