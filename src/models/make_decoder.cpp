// A decoder in owned, writable memory.
#include <algorithm>
#include <map>
#include <new>

#include "base/error.h"
#include "models/bind.h"
#include "models/load.h"

namespace lyceum::models {

namespace {

constexpr size_t kAlignment = 64;

struct AlignedDelete {
  void operator()(float* memory) const noexcept { ::operator delete[](memory, std::align_val_t{kAlignment}); }
};

std::shared_ptr<float> allocate_zeros(size_t count) {
  void* memory = ::operator new[](count * sizeof(float), std::align_val_t{kAlignment}, std::nothrow);
  if (memory == nullptr) {
    throw Error(Code::too_large, "not enough memory for a weight of " + std::to_string(count * sizeof(float)) + " bytes; choose a smaller model");
  }
  auto* values = static_cast<float*>(memory);
  std::fill_n(values, count, 0.0f);
  return {values, AlignedDelete{}};
}

class ZeroSource final : public WeightSource {
 public:
  tensor::WeightView find(const std::string& name, const TensorShape& shape) override {
    if (name == "lm_head.weight" && tied_) return {};
    storage.push_back(allocate_zeros(shape.rows * shape.columns));
    const auto* data = static_cast<const std::byte*>(storage.back().get());
    return {data, tensor::DType::f32, shape.rows, shape.columns};
  }
  tensor::WeightView find_part(const std::string& name, size_t index, size_t count, const TensorShape& shape) override {
    const tensor::WeightView all = parts_.contains(name) ? parts_[name] : find(name, {count * shape.rows, shape.columns, false});
    parts_[name] = all;
    return {all.data + index * shape.rows * shape.columns * sizeof(float), all.dtype, shape.rows, shape.columns};
  }
  std::vector<std::string> unused() const override { return {}; }
  std::string what() const override { return "model configuration"; }

  explicit ZeroSource(bool tied) : tied_(tied) {}
  std::vector<std::shared_ptr<void>> storage;

 private:
  bool tied_;
  std::map<std::string, tensor::WeightView> parts_;
};

}  // namespace

std::shared_ptr<Decoder> make_decoder(std::string_view config_json, std::string_view what) {
  DecoderConfig config = read_config(config_json, what);
  if (config.quantization.method != Quantization::Method::none) throw Error(Code::unsupported, std::string(what) + ": quantization_config: a new model has no quantised weights");
  ZeroSource source(config.tied_embeddings);
  auto decoder = std::make_shared<Decoder>(bind_decoder(std::move(config), source));
  decoder->storage.insert(decoder->storage.end(), source.storage.begin(), source.storage.end());
  decoder->writable = true;
  return decoder;
}

}  // namespace lyceum::models
