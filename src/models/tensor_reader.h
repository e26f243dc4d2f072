// tensor_reader.h: named tensors of safetensors files, checked and bound, for models that are not a Decoder: any number of dimensions, vectors as
// floats. Errors name the folder, the tensor and what the configuration says of it.
#pragma once

#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/safetensors.h"
#include "models/decoder.h"
#include "models/encoder.h"

namespace lyceum::models {

class TensorReader {
 public:
  // `model` must outlive it and the views it gives.
  TensorReader(const formats::SafetensorsModel& model, std::string folder) : model_(model), folder_(std::move(folder)) {}

  bool has(const std::string& name) const { return model_.find(name).has_value(); }
  // The first dimension becomes rows, the others columns. Error(unprocessable) if it is missing, of another shape or of a dtype without kernel.
  tensor::WeightView tensor(const std::string& name, const std::vector<uint64_t>& shape);
  // name.weight, and name.bias as aligned floats.
  Linear linear(const std::string& name, uint64_t rows, uint64_t columns, bool bias = true) { return bound(name, {rows, columns}, bias); }
  Linear bound(const std::string& name, const std::vector<uint64_t>& shape, bool bias = true);
  LayerNorm norm(const std::string& name, uint64_t columns);
  // Error(unprocessable) naming a tensor that nobody asked for, unless its name is among `left_aside`.
  void refuse_unused(std::span<const std::string_view> left_aside) const;

  std::vector<std::shared_ptr<void>> storage;   // what biases lie in

 private:
  std::vector<float> vector(const std::string& name, uint64_t columns);

  const formats::SafetensorsModel& model_;
  std::string folder_;
  std::set<std::string> used_;
};

}  // namespace lyceum::models
