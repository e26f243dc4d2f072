// config.json + safetensors, as transformers writes them.
#include <set>

#include "base/files.h"
#include "formats/safetensors.h"
#include "models/bind.h"
#include "models/bitsandbytes.h"
#include "models/load.h"
#include "models/sources.h"

namespace lyceum::models {

namespace {

constexpr uint64_t kConfigBytesMax = 4u << 20;

class SafetensorsSource final : public WeightSource {
 public:
  // nf4: matrices in 4 bits are read, too, for a caller that keeps take_storage().
  SafetensorsSource(const formats::SafetensorsModel& model, std::string folder, bool nf4) : model_(model), folder_(std::move(folder)), nf4_(nf4) {}

  tensor::WeightView find(const std::string& name, const TensorShape& shape) override {
    const auto found = model_.find(name);
    if (!found) return {};
    if (nf4_ && found->tensor->dtype == "U8" && !shape.vector) {
      used_.insert(name);
      auto weight = find_bitsandbytes(model_, name, shape.rows, shape.columns, used_);
      storage_.push_back(std::move(weight->storage));
      return weight->view;
    }
    return find_shaped(name, *found, shape.vector ? std::vector<uint64_t>{shape.columns} : std::vector<uint64_t>{shape.rows, shape.columns}, shape);
  }

  tensor::WeightView find_part(const std::string& name, size_t index, size_t count, const TensorShape& shape) override {
    const auto found = model_.find(name);
    if (!found) return {};
    const tensor::WeightView all = find_shaped(name, *found, {count, shape.rows, shape.columns}, {count * shape.rows, shape.columns, false});
    return {all.data + index * shape.rows * tensor::row_bytes(all.dtype, shape.columns), all.dtype, shape.rows, shape.columns};
  }

  std::vector<std::string> unused() const override {
    std::vector<std::string> out;
    for (const std::string& name : model_.names()) {
      // Old checkpoints carry the inverse frequencies; they follow from the configuration.
      if (!used_.contains(name) && !name.ends_with("rotary_emb.inv_freq")) out.push_back(name);
    }
    return out;
  }

  std::string what() const override { return folder_; }
  // What was not used as it lies in the file.
  std::vector<std::shared_ptr<void>> take_storage() { return std::move(storage_); }

 private:
  tensor::WeightView find_shaped(const std::string& name, const formats::SafetensorsModel::Found& found, const std::vector<uint64_t>& wanted, const TensorShape& shape) {
    used_.insert(name);
    const auto fail = [&](const std::string& why) { throw Error(Code::unprocessable, found.file->string() + ": tensor " + name + " " + why); };
    const std::vector<uint64_t>& stored = found.tensor->shape;
    if (stored != wanted) fail("has shape " + describe_stored(stored) + "; the configuration says " + describe_stored(wanted));
    const auto dtype = find_dtype(found.tensor->dtype);
    if (!dtype) fail("has dtype " + found.tensor->dtype + "; supported are F32, F16, BF16 and NF4 as bitsandbytes stores it");
    return {found.bytes.data(), *dtype, shape.rows, shape.columns};
  }

  static std::string describe_stored(const std::vector<uint64_t>& shape) {
    std::string out = "[";
    for (size_t i = 0; i < shape.size(); ++i) out += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    return out + "]";
  }

  const formats::SafetensorsModel& model_;
  std::string folder_;
  bool nf4_;
  std::set<std::string> used_;
  std::vector<std::shared_ptr<void>> storage_;
};

}  // namespace

std::unique_ptr<WeightSource> make_safetensors_source(const formats::SafetensorsModel& model, std::string folder) {
  return std::make_unique<SafetensorsSource>(model, std::move(folder), false);
}

std::shared_ptr<const Decoder> load_safetensors_folder(const std::filesystem::path& folder, Values values) {
  const std::filesystem::path config_path = folder / "config.json";
  DecoderConfig config = read_config(read_file(config_path, kConfigBytesMax), config_path.string());
  auto model = std::make_shared<formats::SafetensorsModel>(folder);
  if (config.quantization.method != Quantization::Method::none) {
    auto quantized = std::make_shared<Decoder>(bind_quantized(std::move(config), *model, folder.string(), values));
    quantized->storage.push_back(model);
    return quantized;
  }
  SafetensorsSource source(*model, folder.string(), true);
  auto decoder = std::make_shared<Decoder>(bind_decoder(std::move(config), source));
  decoder->storage.push_back(model);
  for (auto& each : source.take_storage()) decoder->storage.push_back(std::move(each));
  return decoder;
}

}  // namespace lyceum::models
