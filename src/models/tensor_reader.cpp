#include "models/tensor_reader.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/convert.h"
#include "models/sources.h"

namespace lyceum::models {
namespace {

std::string describe_shape(const std::vector<uint64_t>& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return out + "]";
}

}  // namespace

tensor::WeightView TensorReader::tensor(const std::string& name, const std::vector<uint64_t>& shape) {
  const auto found = model_.find(name);
  if (!found) throw Error(Code::unprocessable, folder_ + ": tensor " + name + " " + describe_shape(shape) + " is missing");
  const auto fail = [&](const std::string& why) { throw Error(Code::unprocessable, found->file->string() + ": tensor " + name + " " + why); };
  if (found->tensor->shape != shape) fail("has shape " + describe_shape(found->tensor->shape) + "; the configuration says " + describe_shape(shape));
  const auto dtype = find_dtype(found->tensor->dtype);
  if (!dtype) fail("has dtype " + found->tensor->dtype + "; supported are F32, F16 and BF16");
  used_.insert(name);
  const size_t rows = shape.size() > 1 ? shape.front() : 1, values = found->tensor->elements();
  return {found->bytes.data(), *dtype, rows, values / rows};
}

Linear TensorReader::bound(const std::string& name, const std::vector<uint64_t>& shape, bool bias) {
  Linear out{name, tensor(name + ".weight", shape), {}};
  if (!bias) return out;
  const auto values = std::make_shared<std::vector<float>>(vector(name + ".bias", shape.front()));
  storage.push_back(values);
  out.bias = {reinterpret_cast<const std::byte*>(values->data()), tensor::DType::f32, 1, values->size()};
  return out;
}

LayerNorm TensorReader::norm(const std::string& name, uint64_t columns) { return {vector(name + ".weight", columns), vector(name + ".bias", columns)}; }

std::vector<float> TensorReader::vector(const std::string& name, uint64_t columns) {
  const tensor::WeightView view = tensor(name, {columns});
  std::vector<float> out(columns);
  kernels::dequantize(view.dtype, view.data, columns, out.data());
  return out;
}

void TensorReader::refuse_unused(std::span<const std::string_view> left_aside) const {
  for (const std::string& name : model_.names()) {
    if (used_.contains(name) || std::ranges::find(left_aside, name) != left_aside.end()) continue;
    throw Error(Code::unprocessable, folder_ + ": tensor " + name + " has no place in this architecture");
  }
}

}  // namespace lyceum::models
