#include "tuning/write/merge.h"

#include <algorithm>
#include <cmath>
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
  Merger(const fs::path& base, const fs::path& adapter, const std::string& dtype, ThreadPool& pool)
      : base_(base), dtype_(upper(dtype)), pool_(pool), decoder_(models::load_decoder(base)), adapter_(engine::load_peft_adapter(adapter, *decoder_)),
        model_(base), changes_(list_changes(*decoder_, *adapter_)) {
    if (!dtype_.empty() && dtype_ != "F32" && dtype_ != "BF16" && dtype_ != "F16") throw Error(Code::invalid_argument, "a merged model is stored as f32, bf16 or f16, not " + dtype);
    plan();
  }

  MergeReport write(const fs::path& out) {
    make_folders_durable(out);
    formats::SafetensorsWriter writer(out / "model.safetensors", specs_, {{"format", "pt"}});
    for (const formats::SafetensorsSpec& spec : writer.order()) append(writer, spec);
    writer.finish();
    json::object config = parse_json(read_file(base_ / "config.json"), "config.json").as_object();
    if (report_.untied) config["tie_word_embeddings"] = false;
    if (!dtype_.empty()) config["torch_dtype"] = dtype_ == "F32" ? "float32" : dtype_ == "BF16" ? "bfloat16" : "float16";
    write_file_durable(out / "config.json", pretty_json(config));
    copy_text_files(base_, out);
    report_.output_sha256 = weight_hashes(out);
    return report_;
  }

 private:
  // What the file will hold, and that every change finds its tensor.
  void plan() {
    for (const std::string& name : model_.names()) {
      const formats::SafetensorsTensor& tensor = *model_.get(name).tensor;
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
    if (change == changes_.end() && found->tensor->dtype == spec.dtype) return writer.append(found->bytes);
    const auto from = models::find_dtype(found ? found->tensor->dtype : spec.dtype);
    const tensor::DType to = *models::find_dtype(spec.dtype);
    tensor::WeightView view;
    if (change != changes_.end()) {
      view = change->second.linear->weight;
    } else {
      const uint64_t columns = spec.shape.empty() ? 1 : spec.shape.back();
      view = {found->bytes.data(), *from, columns == 0 ? 0 : found->tensor->elements() / columns, columns};
    }
    double difference = 0, norm = 0;
    for (size_t row = 0; row < view.rows; row += kChunkRows) {
      append_rows(writer, spec, view, row, std::min(kChunkRows, view.rows - row), change == changes_.end() ? nullptr : change->second.pair, to, difference, norm);
    }
    if (change == changes_.end()) return;
    ++report_.modules;
    report_.largest_relative_change = std::max(report_.largest_relative_change, norm == 0 ? 0 : std::sqrt(difference / norm));
  }

  void append_rows(formats::SafetensorsWriter& writer, const formats::SafetensorsSpec& spec, const tensor::WeightView& view, size_t first, size_t count,
                   const engine::LowRank* pair, tensor::DType to, double& difference, double& norm) {
    std::vector<float> values(count * view.columns);
    for (size_t i = 0; i < count; ++i) kernels::dequantize_row(view, first + i, values.data() + i * view.columns);
    if (pair != nullptr) {
      const std::vector<float> before = values;
      change_rows(*pair, first, count, {values.data(), count, view.columns});
      for (size_t i = 0; i < values.size(); ++i) {
        difference += (double{values[i]} - before[i]) * (double{values[i]} - before[i]);
        norm += double{before[i]} * before[i];
      }
    }
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
  std::vector<formats::SafetensorsSpec> specs_;
  MergeReport report_;
};

}  // namespace

MergeReport merge_adapter(const fs::path& base, const fs::path& adapter, const fs::path& out, const std::string& dtype, ThreadPool& pool) {
  if (fs::exists(out) && (!fs::is_directory(out) || !fs::is_empty(out))) throw Error(Code::conflict, out.string() + " exists and is not an empty folder");
  if (!fs::is_directory(base)) {
    throw Error(Code::unsupported, base.string() + ": an adapter is merged into a folder with safetensors; a GGUF file is quantised, and what was rounded away once would be rounded again");
  }
  return Merger(base, adapter, dtype, pool).write(out);
}

}  // namespace lyceum::tuning
