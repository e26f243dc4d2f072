#include "models/quantization.h"

#include "base/error.h"
#include "models/architecture.h"

namespace lyceum::models {

namespace {

constexpr uint32_t kGroupMax = 1 << 20;

std::string in_config(std::string_view field) { return "quantization_config." + std::string(field); }

uint32_t read_group(const json::object& config) {
  const int64_t group = find_int(config, "group_size").value_or(128);
  if (group == -1) return 0;
  if (group < 32 || group > kGroupMax || group % 32 != 0) refuse_field(in_config("group_size"), group, "-1 and multiples of 32 are");
  return static_cast<uint32_t>(group);
}

uint32_t read_bits(const json::object& config, bool eight) {
  const int64_t bits = find_int(config, config.contains("bits") ? "bits" : "w_bit").value_or(4);
  if (bits != 4 && !(eight && bits == 8)) refuse_field(in_config("bits"), bits, eight ? "4 and 8 are" : "4 is");
  return static_cast<uint32_t>(bits);
}

void require_text(const json::object& config, std::string_view field, std::string_view wanted) {
  const auto value = find_string(config, field);
  if (value && *value != wanted) refuse_field(in_config(field), *value, "only " + std::string(wanted) + " is");
}

// DeepSeek-V3, Qwen3: blocks of 128 x 128. Activations, which such models round to FP8 on GPUs, are not rounded here.
Quantization read_fp8(const json::object& config) {
  Quantization out;
  out.method = Quantization::Method::fp8;
  out.scale_name = "weight_scale_inv";
  require_text(config, "fmt", "e4m3");
  const json::array* block = find_array(config, "weight_block_size");
  if (block == nullptr) return out;
  const auto size = [&](size_t i) -> uint32_t {
    const bool fits = block->size() == 2 && (*block)[i].is_int64() && (*block)[i].as_int64() >= 1 && (*block)[i].as_int64() <= kGroupMax;
    if (!fits) refuse_field(in_config("weight_block_size"), *block, "two positive numbers are");
    return static_cast<uint32_t>((*block)[i].as_int64());
  };
  out.block_rows = size(0);
  out.block_columns = size(1);
  return out;
}

Quantization read_gptq(const json::object& config) {
  Quantization out;
  out.method = Quantization::Method::gptq;
  out.bits = read_bits(config, true);
  out.group = read_group(config);
  out.symmetric = find_bool(config, "sym").value_or(false);
  const std::string format = find_string(config, "checkpoint_format").value_or("gptq");
  if (format != "gptq" && format != "gptq_v2") refuse_field(in_config("checkpoint_format"), format, "gptq and gptq_v2 are");
  out.zeros_less_one = format == "gptq";
  require_text(config, "pack_dtype", "int32");
  if (const auto* dynamic = config.if_contains("dynamic"); dynamic != nullptr && dynamic->is_object() && !dynamic->as_object().empty()) refuse_field(in_config("dynamic"), *dynamic);
  return out;
}

Quantization read_awq(const json::object& config) {
  Quantization out;
  out.method = Quantization::Method::awq;
  out.bits = read_bits(config, false);
  out.group = read_group(config);
  const std::string version = find_string(config, "version").value_or("gemm");
  if (version != "gemm" && version != "GEMM") refuse_field(in_config("version"), version, "gemm is");
  if (!find_bool(config, "zero_point").value_or(true)) refuse_field(in_config("zero_point"), false);
  return out;
}

// Only its FP8 weights: one scale a matrix or row ("weight_scale").
Quantization read_compressed_tensors(const json::object& config) {
  const std::string format = find_string(config, "format").value_or("");
  if (format != "float-quantized" && format != "naive-quantized") refuse_field(in_config("format"), format, "float-quantized is");
  const json::object* groups = find_object(config, "config_groups");
  if (groups == nullptr || groups->size() != 1 || !groups->begin()->value().is_object()) refuse_field(in_config("config_groups"), groups == nullptr ? json::value(nullptr) : json::value(*groups), "one group is");
  const json::object* weights = find_object(groups->begin()->value().as_object(), "weights");
  if (weights == nullptr) refuse_field(in_config("config_groups"), json::value(*groups), "it needs weights");
  if (find_int(*weights, "num_bits").value_or(0) != 8) refuse_field(in_config("config_groups.weights.num_bits"), json::value(*weights), "8 is");
  if (find_string(*weights, "type").value_or("") != "float") refuse_field(in_config("config_groups.weights.type"), json::value(*weights), "float is");
  const std::string strategy = find_string(*weights, "strategy").value_or("tensor");
  if (strategy != "tensor" && strategy != "channel") refuse_field(in_config("config_groups.weights.strategy"), strategy, "tensor and channel are");
  Quantization out;
  out.method = Quantization::Method::fp8;
  out.scale_name = "weight_scale";
  return out;
}

}  // namespace

Quantization read_quantization(const json::object& config) {
  const std::string method = find_string(config, "quant_method").value_or("unnamed");
  if (method == "fp8") return read_fp8(config);
  if (method == "gptq") return read_gptq(config);
  if (method == "awq") return read_awq(config);
  if (method == "compressed-tensors") return read_compressed_tensors(config);
  refuse_field(in_config("quant_method"), method, "fp8, compressed-tensors, gptq, awq and bitsandbytes (NF4) are; use the unquantised weights, or a GGUF file of the model");
}

}  // namespace lyceum::models
