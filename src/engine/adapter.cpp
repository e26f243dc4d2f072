#include "engine/adapter.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "base/files.h"
#include "engine/adapter_config.h"
#include "formats/safetensors.h"
#include "kernels/convert.h"
#include "kernels/low_rank_norms.h"
#include "models/sources.h"

namespace lyceum::engine {

namespace {

// One module that may carry a pair, and where the pair goes.
struct Slot {
  const models::Linear* linear;
  LowRank* pair;
  std::vector<float> magnitude = {};   // DoRA
};

std::map<std::string, Slot> list_slots(const models::Decoder& decoder, Adapter& adapter) {
  std::map<std::string, Slot> slots;
  for (size_t i = 0; i < decoder.layers.size(); ++i) {
    const models::DecoderLayer& from = decoder.layers[i];
    AdapterLayer& to = adapter.layers[i];
    const std::pair<const models::Linear*, LowRank*> pairs[] = {{&from.q, &to.q}, {&from.k, &to.k}, {&from.v, &to.v}, {&from.o, &to.o},
                                                                {&from.gate, &to.gate}, {&from.up, &to.up}, {&from.down, &to.down}};
    for (const auto& [linear, pair] : pairs) {
      if (!linear->weight.empty()) slots[linear->name] = {linear, pair, {}};
    }
  }
  slots[decoder.head.name] = {&decoder.head, &adapter.head, {}};
  return slots;
}

class Loader {
 public:
  Loader(const fs::path& folder, const models::Decoder& decoder)
      : folder_(folder), config_(read_adapter_config(folder / "adapter_config.json")), file_(open_weights(folder)) {
    adapter_->layers.resize(decoder.layers.size());
    slots_ = list_slots(decoder, *adapter_);
    latent_ = decoder.config.latent.rank != 0;
    experts_ = decoder.config.experts.count != 0;
  }

  std::shared_ptr<const Adapter> load() {
    for (const formats::SafetensorsTensor& tensor : file_->header().tensors) place(tensor);
    for (auto& [name, slot] : slots_) finish(name, slot);
    if (adapter_->parameters == 0) fail("it has no LoRA tensor at all");
    if (!any_nonzero_) fail("every B matrix is zero, so it would have no effect; was it saved before training?");
    adapter_->storage.push_back(file_);
    return adapter_;
  }

 private:
  static std::shared_ptr<formats::SafetensorsFile> open_weights(const fs::path& folder) {
    const fs::path path = folder / "adapter_model.safetensors";
    if (fs::exists(path)) return std::make_shared<formats::SafetensorsFile>(path);
    if (fs::exists(folder / "adapter_model.bin")) {
      throw Error(Code::unsupported, folder.string() + " has only adapter_model.bin, a pickle, which is never opened; save it as safetensors");
    }
    throw Error(Code::not_found, path.string() + " does not exist");
  }

  [[noreturn]] void fail(const std::string& why) const { throw Error(Code::unprocessable, "adapter " + folder_.string() + ": " + why); }

  // "base_model.model.<module>.lora_A.weight" -> <module>, and which part of it.
  void place(const formats::SafetensorsTensor& tensor) {
    constexpr std::string_view kPrefix = "base_model.model.";
    std::string_view rest = tensor.name;
    if (!rest.starts_with(kPrefix)) fail("tensor " + tensor.name + " does not begin with base_model.model.");
    rest.remove_prefix(kPrefix.size());
    refuse_other_kinds(tensor.name);
    constexpr std::string_view kMagnitude = ".lora_magnitude_vector";
    const bool is_a = rest.ends_with(".lora_A.weight"), is_magnitude = rest.ends_with(kMagnitude);
    if (!is_a && !is_magnitude && !rest.ends_with(".lora_B.weight")) fail("tensor " + tensor.name + " is not a LoRA A or B matrix");
    rest.remove_suffix(is_magnitude ? kMagnitude.size() : std::string_view(".lora_A.weight").size());
    const auto found = slots_.find(std::string(rest));
    if (found == slots_.end()) refuse_unsupported_module(tensor.name);
    if (found == slots_.end()) fail("tensor " + tensor.name + " matches no linear layer of the base model; is this the adapter of another model?");
    if (!config_.targets(found->first)) fail("tensor " + tensor.name + " belongs to a module that target_modules does not name");
    if (is_magnitude) return place_magnitude(tensor, found->second);
    place_half(tensor, found->second, is_a);
  }

  void place_magnitude(const formats::SafetensorsTensor& tensor, Slot& slot) {
    if (!config_.dora) fail("tensor " + tensor.name + " is DoRA's, but use_dora is not set in adapter_config.json");
    const auto dtype = models::find_dtype(tensor.dtype);
    const uint64_t rows = slot.linear->weight.rows;
    if (!dtype || tensor.shape != std::vector<uint64_t>{rows}) fail("tensor " + tensor.name + " must be one of F32, F16 or BF16 and have shape [" + std::to_string(rows) + "]");
    const tensor::WeightView view{file_->bytes(tensor).data(), *dtype, 1, rows};
    check_values(tensor.name, view, false);
    slot.magnitude.resize(rows);
    kernels::dequantize_row(view, 0, slot.magnitude.data());
    adapter_->parameters += rows;
  }

  void refuse_other_kinds(const std::string& name) const {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kKinds = {
        {{"lora_embedding_", "LoRA on embeddings"}, {"lora_B.bias", "lora_bias"},
         {"trainable_tokens_delta", "trainable_token_indices"}, {"base_layer.", "saved base tensors"}, {".bias", "trained biases"}}};
    for (const auto& [part, kind] : kKinds) {
      if (name.find(part) == std::string::npos) continue;
      throw Error(Code::unsupported, "adapter " + folder_.string() + ": tensor " + name + ": " + std::string(kind) + " is not supported");
    }
  }

  void refuse_unsupported_module(const std::string& name) const {
    const auto refuse = [&](const std::string& what) { throw Error(Code::unsupported, "adapter " + folder_.string() + ": tensor " + name + ": LoRA on " + what + " is not supported"); };
    if (latent_ && name.find(".self_attn.") != std::string::npos) refuse("the projections of latent attention other than o_proj");
    if (experts_ && (name.find(".mlp.") != std::string::npos || name.find("block_sparse_moe") != std::string::npos)) refuse("experts");
  }

  void place_half(const formats::SafetensorsTensor& tensor, const Slot& slot, bool is_a) {
    const auto dtype = models::find_dtype(tensor.dtype);
    if (!dtype) fail("tensor " + tensor.name + " has dtype " + tensor.dtype + "; supported are F32, F16 and BF16");
    const uint64_t rank = config_.rank(slot.linear->name);
    const uint64_t rows = is_a ? rank : slot.linear->weight.rows, columns = is_a ? slot.linear->weight.columns : rank;
    if (tensor.shape != std::vector<uint64_t>{rows, columns}) {
      std::string got;
      for (const uint64_t size : tensor.shape) got += (got.empty() ? "" : ", ") + std::to_string(size);
      fail("tensor " + tensor.name + " has shape [" + got + "]; rank and base model say [" + std::to_string(rows) + ", " + std::to_string(columns) + "]");
    }
    const tensor::WeightView view{file_->bytes(tensor).data(), *dtype, rows, columns};
    check_values(tensor.name, view, !is_a);
    (is_a ? slot.pair->a : slot.pair->b) = view;
    adapter_->parameters += rows * columns;
  }

  // Rejects NaN and infinity; remembers whether any B is not zero.
  void check_values(const std::string& name, const tensor::WeightView& view, bool is_b) {
    std::vector<float> row(view.columns);
    bool nonzero = false;
    for (size_t i = 0; i < view.rows; ++i) {
      kernels::dequantize_row(view, i, row.data());
      for (const float value : row) {
        if (!(value - value == 0)) fail("tensor " + name + " holds a value that is not finite");
        nonzero |= value != 0;
      }
    }
    any_nonzero_ |= is_b && nonzero;
  }

  void finish(const std::string& name, Slot& slot) {
    LowRank& pair = *slot.pair;
    const bool has_a = !pair.a.empty(), has_b = !pair.b.empty();
    if (has_a != has_b) fail("module " + name + " has lora_" + (has_a ? "A but no lora_B" : "B but no lora_A"));
    if (!has_a && config_.requires_tensors(name)) fail("target_modules names " + name + ", but the file has no tensors for it");
    if (!has_a) return;
    pair.scale = config_.scale(name);
    if (config_.dora) finish_dora(name, slot);
    adapter_->rank_max = std::max(adapter_->rank_max, static_cast<uint32_t>(pair.a.rows));
  }

  static std::vector<float> floats_of(const tensor::WeightView& view) {
    std::vector<float> out(view.rows * view.columns);
    for (size_t row = 0; row < view.rows; ++row) kernels::dequantize_row(view, row, out.data() + row * view.columns);
    return out;
  }

  // The scale of each output: fixed once A and B are.
  void finish_dora(const std::string& name, Slot& slot) {
    if (slot.magnitude.empty()) fail("module " + name + " has no lora_magnitude_vector, which use_dora needs");
    if (!pool_) pool_.emplace(0);
    LowRank& pair = *slot.pair;
    const auto& weight = slot.linear->weight;
    const std::vector<float> a = floats_of(pair.a), b = floats_of(pair.b);
    const auto scales = std::make_shared<std::vector<float>>(weight.rows);
    kernels::low_rank_row_norms(*pool_, weight, kernels::row_square_norms(*pool_, weight), {a.data(), pair.a.rows, pair.a.columns},
                                {b.data(), pair.b.rows, pair.b.columns}, pair.scale, *scales);
    for (size_t row = 0; row < weight.rows; ++row) {
      if ((*scales)[row] == 0) fail("module " + name + ": row " + std::to_string(row) + " of base and adapter together is zero, which DoRA cannot scale");
      (*scales)[row] = slot.magnitude[row] / (*scales)[row];
    }
    pair.row_scale = *scales;
    adapter_->storage.push_back(scales);
  }

  fs::path folder_;
  AdapterConfig config_;
  std::shared_ptr<formats::SafetensorsFile> file_;
  std::shared_ptr<Adapter> adapter_ = std::make_shared<Adapter>();
  std::map<std::string, Slot> slots_;
  std::optional<ThreadPool> pool_;   // made for the first DoRA module
  bool any_nonzero_ = false, latent_ = false, experts_ = false;
};

}  // namespace

std::shared_ptr<const Adapter> load_peft_adapter(const std::filesystem::path& folder, const models::Decoder& decoder) {
  return Loader(folder, decoder).load();
}

}  // namespace lyceum::engine
