// Safetensors whose linear layers are stored as quantization.h says: each such weight is brought to a type of the engine's when it is asked for,
// the other tensors are those of the plain source.
#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.h"
#include "formats/safetensors.h"
#include "models/quantization.h"
#include "models/repack.h"
#include "models/sources.h"

namespace lyceum::models {

namespace {

using Found = formats::SafetensorsModel::Found;

class QuantizedSource final : public WeightSource {
 public:
  QuantizedSource(const formats::SafetensorsModel& model, std::string folder, const Quantization& how, Values values)
      : model_(model), plain_(make_safetensors_source(model, std::move(folder))), how_(how), values_(values) {}

  tensor::WeightView find(const std::string& name, const TensorShape& shape) override {
    constexpr std::string_view kWeight = ".weight";
    if (!shape.vector && name.ends_with(kWeight)) {
      const std::string module = name.substr(0, name.size() - kWeight.size());
      if (how_.method == Quantization::Method::fp8) {
        if (const auto weight = model_.find(name); weight && weight->tensor->dtype == "F8_E4M3") return from_fp8(module, *weight, shape);
      } else if (model_.find(module + ".qweight")) {
        return from_packed(module, shape);
      }
    }
    return plain_->find(name, shape);
  }
  tensor::WeightView find_part(const std::string& name, size_t index, size_t count, const TensorShape& shape) override { return plain_->find_part(name, index, count, shape); }

  std::vector<std::string> unused() const override {
    std::vector<std::string> out = plain_->unused();
    std::erase_if(out, [&](const std::string& name) {
      if (used_.contains(name) || name.ends_with(".input_scale")) return true;   // of activations: not rounded here
      return name.ends_with(".bias") && used_.contains(name.substr(0, name.size() - 4) + "qweight") && is_zero(name);   // AutoGPTQ wrote one for every layer
    });
    return out;
  }
  std::string what() const override { return plain_->what(); }

  std::vector<std::shared_ptr<void>> storage;

 private:
  [[noreturn]] static void fail(const Found& found, const std::string& why, Code code = Code::unprocessable) {
    throw Error(code, found.file->string() + ": tensor " + found.tensor->name + " " + why);
  }

  static void require_shape(const Found& found, const std::vector<uint64_t>& wanted) {
    if (found.tensor->shape == wanted) return;
    std::string text;
    for (const uint64_t size : wanted) text += (text.empty() ? "" : ", ") + std::to_string(size);
    fail(found, "must have shape [" + text + "]");
  }

  Found require(const std::string& name, std::string_view dtype = {}) {
    const Found found = model_.get(name);
    used_.insert(name);
    if (!dtype.empty() && found.tensor->dtype != dtype) fail(found, "has dtype " + found.tensor->dtype + "; it must be " + std::string(dtype));
    return found;
  }

  tensor::DType float_type(const Found& found) const {
    const auto dtype = find_dtype(found.tensor->dtype);
    if (!dtype || tensor::block_size(*dtype) != 1) fail(found, "has dtype " + found.tensor->dtype + "; it must be F32, F16 or BF16");
    return *dtype;
  }

  bool is_zero(const std::string& name) const {
    const auto found = model_.find(name);
    return found && std::ranges::all_of(found->bytes, [](std::byte value) { return value == std::byte{0}; });
  }

  // Pages that are not written take no memory: Values::unread only needs the address.
  std::byte* allocate(size_t bytes) {
    const std::shared_ptr<std::byte[]> memory(new std::byte[bytes]);
    storage.push_back(std::shared_ptr<void>(memory, memory.get()));
    return memory.get();
  }

  tensor::WeightView from_fp8(const std::string& module, const Found& weight, const TensorShape& shape) {
    require(module + ".weight");
    require_shape(weight, {shape.rows, shape.columns});
    const Found scale = require(module + "." + std::string(how_.scale_name));
    Fp8Scales scales{scale.bytes, float_type(scale), how_.block_rows, how_.block_columns};
    if (how_.block_rows != 0) {
      require_shape(scale, {(shape.rows + how_.block_rows - 1) / how_.block_rows, (shape.columns + how_.block_columns - 1) / how_.block_columns});
    } else {
      const uint64_t count = scale.tensor->shape.empty() ? 1 : scale.tensor->shape[0];
      const bool flat = scale.tensor->shape.size() <= 1 || (scale.tensor->shape.size() == 2 && scale.tensor->shape[1] == 1);
      if (!flat || (count != 1 && count != shape.rows)) fail(scale, "must have one value, or one for each of " + std::to_string(shape.rows) + " rows");
      scales.block_rows = count == 1 ? shape.rows : 1;
      scales.block_columns = shape.columns;
    }
    std::byte* out = allocate(shape.rows * shape.columns * 2);
    if (values_ == Values::read) fp8_to_bf16(weight.bytes, shape.rows, shape.columns, scales, out);
    return {out, tensor::DType::bf16, shape.rows, shape.columns};
  }

  tensor::WeightView from_packed(const std::string& module, const TensorShape& shape) {
    const Found weights = require(module + ".qweight", "I32"), zeros = require(module + ".qzeros", "I32"), scales = require(module + ".scales");
    PackedMatrix matrix;
    matrix.order = how_.method == Quantization::Method::awq ? PackedMatrix::Order::awq : PackedMatrix::Order::gptq;
    matrix.bits = how_.bits;
    matrix.zeros_less_one = how_.zeros_less_one;
    matrix.rows = shape.rows;
    matrix.columns = shape.columns;
    matrix.group = how_.group == 0 ? shape.columns : how_.group;
    if (shape.rows % 8 != 0 || shape.columns % 32 != 0) fail(weights, "is of a matrix of " + describe(shape) + ": rows in eights and columns in thirty-twos are supported", Code::unsupported);
    const bool awq = matrix.order == PackedMatrix::Order::awq;
    require_shape(weights, awq ? std::vector<uint64_t>{shape.columns, shape.rows / 8} : std::vector<uint64_t>{shape.columns * how_.bits / 32, shape.rows});
    require_shape(zeros, {matrix.groups(), shape.rows * how_.bits / 32});
    require_shape(scales, {matrix.groups(), shape.rows});
    matrix.weights = weights.bytes;
    matrix.zeros = zeros.bytes;
    matrix.scales = scales.bytes;
    matrix.scale_type = float_type(scales);
    if (!awq) check_order(module, matrix);
    return repacked(matrix, weights, scales, shape);
  }

  tensor::WeightView repacked(const PackedMatrix& matrix, const Found& weights, const Found& scales, const TensorShape& shape) {
    const bool unread = values_ == Values::unread;
    const tensor::DType likely = how_.bits == 8 ? tensor::DType::q8_0 : how_.symmetric ? tensor::DType::q4_0 : tensor::DType::q5_0;
    const auto type = unread ? likely : find_block_type(matrix);
    if (!type) fail(weights, "has 8 bits and zero points far from the middle, which no type of the engine holds", Code::unsupported);
    std::byte* out = allocate(shape.rows * tensor::row_bytes(*type, shape.columns));
    if (!unread && !repack(matrix, *type, out)) fail(scales, "has a value that is not a half-precision number", Code::unsupported);
    return {out, *type, shape.rows, shape.columns};
  }

  // Inputs in the order in which their groups are: with "activation order" they need not be.
  void check_order(const std::string& module, const PackedMatrix& matrix) {
    const std::string name = module + ".g_idx";
    if (!model_.find(name)) return;
    const Found order = require(name, "I32");
    require_shape(order, {matrix.columns});
    for (size_t i = 0; i < matrix.columns && values_ == Values::read; ++i) {
      int32_t group;
      std::memcpy(&group, order.bytes.data() + i * sizeof(group), sizeof(group));
      if (group != static_cast<int32_t>(i / matrix.group)) fail(order, "says that inputs are in another order than their groups (desc_act), which is not supported", Code::unsupported);
    }
  }

  const formats::SafetensorsModel& model_;
  std::unique_ptr<WeightSource> plain_;
  Quantization how_;
  Values values_;
  std::set<std::string> used_;
};

}  // namespace

Decoder bind_quantized(DecoderConfig config, const formats::SafetensorsModel& model, const std::string& folder, Values values) {
  QuantizedSource source(model, folder, config.quantization, values);
  Decoder out = bind_decoder(std::move(config), source);
  out.storage.insert(out.storage.end(), source.storage.begin(), source.storage.end());
  return out;
}

}  // namespace lyceum::models
