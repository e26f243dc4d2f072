// bind.h: from a source of named tensors to a Decoder. Every file format (safetensors, GGUF, llama2.c, none at all) is one
// WeightSource; which tensors a model has and their shapes is decided here, once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/decoder.h"

namespace lyceum::models {

struct TensorShape {
  size_t rows = 0, columns = 0;
  bool vector = false;          // one-dimensional: rows == 1
};

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // The tensor of that Hugging Face name. Throws Error(unprocessable) naming the tensor when it has another shape or a dtype
  // that the engine does not compute with; returns an empty view when there is none of that name.
  virtual tensor::WeightView find(const std::string& name, const TensorShape& shape) = 0;
  // Names present in the file that no find() asked for, in the words of the file.
  virtual std::vector<std::string> unused() const = 0;
  virtual std::string what() const = 0;   // for errors: the file or folder
};

// Throws Error(unprocessable) naming the missing, surplus or ill-shaped tensor. The caller adds `storage`.
Decoder bind_decoder(DecoderConfig config, WeightSource& source);

std::string describe(const TensorShape& shape);

}  // namespace lyceum::models
