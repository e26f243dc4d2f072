#include "tuning/write/merge.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "engine/adapter.h"
#include "formats/safetensors.h"
#include "kernels/convert.h"
#include "kernels/matmul.h"
#include "models/load.h"
#include "models/sources.h"
#include "tuning/write/lineage.h"
#include "tuning/write/model_writer.h"
#include "tuning/write/nf4_tensors.h"

namespace lyceum::tuning {

namespace {

constexpr size_t kChunkRows = 256;   // of a matrix, merged at once

struct Change {
  const models::Linear* linear;
  const engine::LowRank* pair;
};

// Tensor name -> what the adapter does to it.
std::map<std::string, Change> list_changes(const models::Decoder& decoder, const engine::Adapter& adapter) {
  std::map<std::string, Change> out;
  const auto add = [&](const models::Linear& linear, const engine::LowRank& pair) {
    if (!pair.a.empty()) out[linear.name + ".weight"] = {&linear, &pair};
  };
  for (size_t i = 0; i < decoder.layers.size(); ++i) {
    const models::DecoderLayer& layer = decoder.layers[i];
    const engine::AdapterLayer& pairs = adapter.layers[i];
    add(layer.q, pairs.q);
    add(layer.k, pairs.k);
    add(layer.v, pairs.v);
    add(layer.o, pairs.o);
    add(layer.gate, pairs.gate);
    add(layer.up, pairs.up);
    add(layer.down, pairs.down);
  }
  add(decoder.head, adapter.head);
  return out;
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

class Merger {
 public:
  Merger(const fs::path& base, const fs::path& adapter, const MergeOptions& options, ThreadPool& pool)
      : base_(base), dtype_(upper(options.dtype)), pool_(pool), decoder_(models::load_decoder(base)), model_(base) {
    four_bits_ = dtype_ == "NF4" || dtype_ == "NF4-DOUBLE";
    double_ = dtype_ == "NF4-DOUBLE";
    if (four_bits_) dtype_.clear();
    if (!dtype_.empty() && dtype_ != "F32" && dtype_ != "BF16" && dtype_ != "F16") {
      throw Error(Code::invalid_argument, "a merged model is stored as f32, bf16, f16, nf4 or nf4-double, not " + options.dtype);
    }
    if (decoder_->config.quantization.method != models::Quantization::Method::none) {
      throw Error(Code::unsupported, base.string() + ": an adapter is merged into the original float weights, not into quantised ones");
    }
    if (!adapter.empty()) {
      adapter_ = engine::load_peft_adapter(adapter, *decoder_);
      changes_ = list_changes(*decoder_, *adapter_);
    }
    find_quantised(options.dequantize);
    plan();
    if (four_bits_) quantise();
  }

  MergeReport write(const fs::path& out) {
    make_folders_durable(out);
    formats::SafetensorsWriter writer(out / "model.safetensors", specs_, {{"format", "pt"}});
    for (const formats::SafetensorsSpec& spec : writer.order()) {
      const auto found = ready_.find(spec.name);
      if (found != ready_.end()) {
        writer.append(found->second.bytes);
      } else {
        append(writer, spec);
      }
    }
    writer.finish();
    json::object config = parse_json(read_file(base_ / "config.json"), "config.json").as_object();
    if (report_.untied) config["tie_word_embeddings"] = false;
    if (!quantised_.empty()) config.erase("quantization_config");
    if (four_bits_) config["quantization_config"] = nf4_config(double_);
    if (!dtype_.empty()) config["torch_dtype"] = dtype_ == "F32" ? "float32" : dtype_ == "BF16" ? "bfloat16" : "float16";
    write_file_durable(out / "config.json", pretty_json(config));
    copy_text_files(base_, out);
    report_.output_sha256 = weight_hashes(out);
    return report_;
  }

 private:
  // Matrices that lie in 4 bits, and the tensors beside them.
  void find_quantised(bool dequantize) {
    for (const models::Linear* linear : models::list_linears(*decoder_)) {
      const std::string name = linear->name + ".weight";
      if (!model_.find(name + std::string(kNf4State))) continue;
      if (!dequantize) {
        throw Error(Code::unsupported, name + " is stored in 4 bits: an adapter is merged into the original float weights, since what was rounded away once would be rounded again; "
                                              "merge into the base it was quantised from, or ask for --dequantize, which merges into what the 4 bits stand for and writes floats");
      }
      quantised_[name] = linear;
      for (const std::string& part : nf4_parts(name)) companions_.insert(part);
    }
  }

  // The layers' matrices of the result, in 4 bits, and without them what is left to do.
  void quantise() {
    for (const models::Linear* linear : models::list_linears(*decoder_)) {
      if (linear == &decoder_->head) continue;
      const std::string name = linear->name + ".weight";
      const auto spec = std::ranges::find(specs_, name, &formats::SafetensorsSpec::name);
      if (spec == specs_.end()) throw Error(Code::unsupported, name + " is not a tensor of " + base_.string() + " (stored fused with others?), so it cannot be stored in 4 bits");
      const auto change = changes_.find(name);
      std::vector<float> values(linear->weight.rows * linear->weight.columns);
      double difference = 0, norm = 0;
      for (size_t row = 0; row < linear->weight.rows; row += kChunkRows) {
        const size_t count = std::min(kChunkRows, linear->weight.rows - row);
        merged_rows(linear->weight, row, {values.data() + row * linear->weight.columns, count, linear->weight.columns}, change == changes_.end() ? nullptr : change->second.pair, difference, norm);
      }
      if (change != changes_.end()) count_change(difference, norm);
      const tensor::WeightView view = kernels::f32_view(values.data(), linear->weight.rows, linear->weight.columns);
      for (auto& [part, tensor] : nf4_tensors(name, models::quantize_nf4(pool_, view, double_))) ready_[part] = std::move(tensor);
      specs_.erase(spec);
    }
    for (const auto& [name, tensor] : ready_) specs_.push_back(tensor.spec);
  }

  // What the file will hold, and that every change finds its tensor.
  void plan() {
    for (const std::string& name : model_.names()) {
      if (companions_.contains(name)) continue;
      const formats::SafetensorsTensor& tensor = *model_.get(name).tensor;
      if (const auto found = quantised_.find(name); found != quantised_.end()) {
        specs_.push_back({name, dtype_.empty() ? "BF16" : dtype_, {found->second->weight.rows, found->second->weight.columns}});
        continue;
      }
      const bool is_float = tensor.dtype == "F32" || tensor.dtype == "BF16" || tensor.dtype == "F16";
      if (changes_.contains(name) && !is_float) throw Error(Code::unsupported, name + " is stored as " + tensor.dtype + ": an adapter is merged into the original float weights, not into quantised ones");
      specs_.push_back({name, is_float && !dtype_.empty() ? dtype_ : tensor.dtype, tensor.shape});
    }
    for (const auto& [name, change] : changes_) {
      if (model_.find(name)) continue;
      if (change.linear != &decoder_->head || !decoder_->config.tied_embeddings) {
        throw Error(Code::unsupported, name + " is not a tensor of " + base_.string() + " (stored fused with others?), so nothing can be merged into it");
      }
      const formats::SafetensorsTensor& table = *model_.get(decoder_->embedding.name + ".weight").tensor;
      specs_.push_back({name, dtype_.empty() ? table.dtype : dtype_, table.shape});
      report_.untied = true;
    }
  }

  void append(formats::SafetensorsWriter& writer, const formats::SafetensorsSpec& spec) {
    const auto change = changes_.find(spec.name);
    const auto found = model_.find(spec.name);
    const auto quantised = quantised_.find(spec.name);
    if (change == changes_.end() && quantised == quantised_.end() && found->tensor->dtype == spec.dtype) return writer.append(found->bytes);
    const auto from = models::find_dtype(found ? found->tensor->dtype : spec.dtype);
    const tensor::DType to = *models::find_dtype(spec.dtype);
    tensor::WeightView view;
    if (change != changes_.end()) {
      view = change->second.linear->weight;
    } else if (quantised != quantised_.end()) {
      view = quantised->second->weight;
    } else {
      const uint64_t columns = spec.shape.empty() ? 1 : spec.shape.back();
      view = {found->bytes.data(), *from, columns == 0 ? 0 : found->tensor->elements() / columns, columns};
    }
    double difference = 0, norm = 0;
    for (size_t row = 0; row < view.rows; row += kChunkRows) {
      append_rows(writer, spec, view, row, std::min(kChunkRows, view.rows - row), change == changes_.end() ? nullptr : change->second.pair, to, difference, norm);
    }
    if (change != changes_.end()) count_change(difference, norm);
  }

  void count_change(double difference, double norm) {
    ++report_.modules;
    report_.largest_relative_change = std::max(report_.largest_relative_change, norm == 0 ? 0 : std::sqrt(difference / norm));
  }

  void merged_rows(const tensor::WeightView& view, size_t first, kernels::Rows values, const engine::LowRank* pair, double& difference, double& norm) {
    for (size_t i = 0; i < values.rows; ++i) kernels::dequantize_row(view, first + i, values.row(i));
    if (pair == nullptr) return;
    const size_t count = values.rows * values.columns;
    const std::vector<float> before(values.data, values.data + count);
    change_rows(*pair, first, values.rows, values);
    for (size_t i = 0; i < count; ++i) {
      difference += (double{values.data[i]} - before[i]) * (double{values.data[i]} - before[i]);
      norm += double{before[i]} * before[i];
    }
  }

  void append_rows(formats::SafetensorsWriter& writer, const formats::SafetensorsSpec& spec, const tensor::WeightView& view, size_t first, size_t count,
                   const engine::LowRank* pair, tensor::DType to, double& difference, double& norm) {
    std::vector<float> values(count * view.columns);
    merged_rows(view, first, {values.data(), count, view.columns}, pair, difference, norm);
    for (const float value : values) {
      if (!std::isfinite(value) || (to == tensor::DType::f16 && std::abs(value) > 65504.0f)) {
        throw Error(Code::unprocessable, spec.name + ": a merged value does not fit " + spec.dtype + "; merge with --dtype f32 or bf16, or look at the adapter");
      }
    }
    std::vector<std::byte> bytes(values.size() * formats::safetensors_dtype_bytes(spec.dtype));
    kernels::quantize(to, values.data(), values.size(), bytes.data());
    writer.append(bytes);
  }

  void change_rows(const engine::LowRank& pair, size_t first, size_t count, kernels::Rows values) {
    std::vector<float> b(count * pair.b.columns);
    for (size_t i = 0; i < count; ++i) kernels::dequantize_row(pair.b, first + i, b.data() + i * pair.b.columns);
    kernels::matmul_dx(pool_, {b.data(), count, pair.b.columns}, pair.a, values, kernels::Write::add, pair.scale);
    if (pair.row_scale.empty()) return;
    for (size_t i = 0; i < count; ++i) {
      for (size_t c = 0; c < values.columns; ++c) values.row(i)[c] *= pair.row_scale[first + i];
    }
  }

  fs::path base_;
  std::string dtype_;
  ThreadPool& pool_;
  std::shared_ptr<const models::Decoder> decoder_;
  std::shared_ptr<const engine::Adapter> adapter_;
  formats::SafetensorsModel model_;
  std::map<std::string, Change> changes_;
  std::map<std::string, const models::Linear*> quantised_;   // of the base
  std::set<std::string> companions_;
  bool four_bits_ = false, double_ = false;                  // of the result
  std::map<std::string, Nf4Tensor> ready_;
  std::vector<formats::SafetensorsSpec> specs_;
  MergeReport report_;
};

}  // namespace

MergeReport merge_adapter(const fs::path& base, const fs::path& adapter, const fs::path& out, const MergeOptions& options, ThreadPool& pool) {
  if (fs::exists(out) && (!fs::is_directory(out) || !fs::is_empty(out))) throw Error(Code::conflict, out.string() + " exists and is not an empty folder");
  if (!fs::is_directory(base)) {
    throw Error(Code::unsupported, base.string() + ": an adapter is merged into a folder with safetensors; a GGUF file is quantised, and what was rounded away once would be rounded again");
  }
  return Merger(base, adapter, options, pool).write(out);
}

}  // namespace lyceum::tuning
