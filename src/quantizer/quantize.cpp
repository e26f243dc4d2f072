#include "quantizer/quantize.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/files.h"
#include "formats/gguf.h"
#include "kernels/convert.h"
#include "kernels/encode.h"
#include "models/sources.h"

namespace lyceum::quantizer {
namespace {

using tensor::DType;

constexpr size_t kChunkValues = 1u << 20;   // of a tensor, in memory at once
constexpr size_t kTaskRows = 8;
constexpr float kHalfMax = 65504;

struct Planned {
  const SourceTensor* tensor;
  DType type;
};

// What a tensor is stored as now; parts that differ are rounded (or copied) one by one.
DType present_type(const SourceTensor& tensor) { return tensor.parts.front().dtype; }

class Job {
 public:
  Job(const Source& source, const fs::path& out, const QuantizeOptions& options, ThreadPool& pool, const std::function<void(uint64_t, uint64_t)>& progress)
      : source_(source), out_(out), options_(options), pool_(pool), progress_(progress), values_(pool.size()) {
    const MixFacts facts = mix_facts(source.decoder->config, options.importance != nullptr);
    for (const SourceTensor& tensor : source.tensors) plan(tensor, facts);
    uint64_t widest = 1;
    for (const SourceTensor& tensor : source.tensors) widest = std::max(widest, tensor.columns());
    for (std::vector<float>& each : values_) each.resize(widest);
  }

  QuantizeReport run() {
    std::vector<formats::GgufSpec> specs;
    for (const FactTensor& fact : source_.facts) specs.push_back({fact.name, "F32", {fact.values.size()}});
    for (const Planned& one : plan_) specs.push_back({one.tensor->name, std::string(tensor::name(one.type)), one.tensor->shape});
    formats::GgufWriter writer(out_, metadata(), std::move(specs));
    for (const FactTensor& fact : source_.facts) writer.append({reinterpret_cast<const std::byte*>(fact.values.data()), fact.values.size() * sizeof(float)});
    check(writer.partial());
    for (const Planned& one : plan_) append(writer, one);
    report_.sha256 = writer.finish();
    report_.bytes = fs::file_size(out_);
    report_.bits_per_weight = static_cast<double>(bits_) / static_cast<double>(std::max<uint64_t>(1, report_.parameters));
    return std::move(report_);
  }

 private:
  void plan(const SourceTensor& tensor, const MixFacts& facts) {
    const DType present = present_type(tensor);
    DType type = choose_type(*options_.mix, facts, tensor);
    const bool quantised = tensor::block_size(present) > 1;
    if (tensor.is_vector() && quantised) type = present;   // nobody writes such; it stays what it is
    if (quantised && type != present && tensor::block_size(type) > 1 && !options_.requantize) {
      throw Error(Code::invalid_argument, "tensor " + tensor.name + " is stored as " + std::string(tensor::name(present)) + " already: what was rounded once would be rounded again. Quantise the " +
                                              "original float weights, or say --requantize");
    }
    if (options_.importance != nullptr && tensor::block_size(type) > 1 && type != DType::q8_0 && tensor.name.starts_with("blk.") && !options_.importance->entries.contains(tensor.name)) {
      report_.without_importance.push_back(tensor.name);
    }
    plan_.push_back({&tensor, type});
    ++report_.types[std::string(tensor::name(type))];
    const uint64_t values = tensor.columns() * tensor.rows();
    report_.parameters += values;
    bits_ += values / tensor::block_size(type) * tensor::row_bytes(type, tensor::block_size(type)) * 8;
  }

  formats::GgufMetadata metadata() const {
    formats::GgufMetadata out = source_.metadata;
    if (!options_.name.empty() && !out.has("general.name")) out.set_string("general.name", options_.name);
    out.set_u32("general.file_type", options_.mix->file_type);
    if (tensor::block_size(options_.mix->base) > 1) out.set_u32("general.quantization_version", 2);
    if (options_.importance != nullptr) {
      out.set_u32("quantize.imatrix.entries_count", static_cast<uint32_t>(options_.importance->entries.size()));
      out.set_u32("quantize.imatrix.chunks_count", options_.importance->chunks);
    }
    if (!options_.lineage.empty()) out.set_string("lyceum.lineage", options_.lineage);
    return out;
  }

  // Before the long work: does a reader of the header compute the same model?
  void check(const fs::path& partial) const {
    if (source_.file != nullptr) return;
    const std::string different = find_difference(source_.decoder->config, models::read_gguf_config(formats::GgufFile(partial)));
    if (!different.empty()) throw Error(Code::unsupported, "a GGUF file cannot say this of the model: " + different + "; it would compute something else");
  }

  void append(formats::GgufWriter& writer, const Planned& one) {
    const SourceTensor& tensor = *one.tensor;
    const std::vector<float> importance = means(one);
    const uint64_t rows = tensor.rows(), columns = tensor.columns();
    const size_t row_bytes = tensor::row_bytes(one.type, columns);
    const auto chunk = std::max<uint64_t>(1, kChunkValues / columns);
    const uint64_t rows_a_matrix = rows / tensor.matrices();
    for (uint64_t first = 0; first < rows; first += chunk) {
      const uint64_t count = std::min(chunk, rows - first);
      bytes_.resize(count * row_bytes);
      std::atomic<bool> bad = false;
      pool_.run((count + kTaskRows - 1) / kTaskRows, [&](size_t task, unsigned worker) {
        for (uint64_t i = task * kTaskRows; i < std::min<uint64_t>(count, (task + 1) * kTaskRows); ++i) {
          const float* weights = importance.empty() ? nullptr : importance.data() + (first + i) / rows_a_matrix * columns;
          if (!write_row(tensor.row(first + i), one.type, weights, values_[worker], bytes_.data() + i * row_bytes)) bad = true;
        }
      });
      if (bad) throw Error(Code::unprocessable, "tensor " + tensor.name + " has a value that is not finite, or too large for " + std::string(tensor::name(one.type)));
      writer.append(bytes_);
      done_ += count * columns;
      progress_(done_, report_.parameters);
    }
  }

  std::vector<float> means(const Planned& one) const {
    if (options_.importance == nullptr || tensor::block_size(one.type) == 1) return {};
    return options_.importance->find_means(one.tensor->name, one.tensor->columns(), one.tensor->matrices());
  }

  static bool write_row(const tensor::WeightView& row, DType type, const float* importance, std::vector<float>& values, std::byte* out) {
    if (row.dtype == type) {
      std::memcpy(out, row.data, tensor::row_bytes(type, row.columns));
      if (tensor::block_size(type) > 1) return true;   // as it was
    }
    kernels::dequantize(row.dtype, row.data, row.columns, values.data());
    const float limit = type == DType::f32 || type == DType::bf16 ? std::numeric_limits<float>::max() : kHalfMax;
    if (!std::all_of(values.begin(), values.begin() + static_cast<ptrdiff_t>(row.columns), [limit](float value) { return std::abs(value) <= limit; })) return false;
    if (row.dtype != type) kernels::encode_row(type, values.data(), row.columns, importance, out);
    return true;
  }

  const Source& source_;
  const fs::path& out_;
  const QuantizeOptions& options_;
  ThreadPool& pool_;
  const std::function<void(uint64_t, uint64_t)>& progress_;
  std::vector<Planned> plan_;
  std::vector<std::vector<float>> values_;
  std::vector<std::byte> bytes_;
  uint64_t done_ = 0, bits_ = 0;
  QuantizeReport report_;
};

}  // namespace

QuantizeReport quantize(const Source& source, const fs::path& out, const QuantizeOptions& options, ThreadPool& pool, const std::function<void(uint64_t, uint64_t)>& progress) {
  LYCEUM_CHECK(options.mix != nullptr, "a mix is given");
  if (fs::exists(out)) throw Error(Code::conflict, out.string() + " exists; name another file, or remove it first");
  return Job(source, out, options, pool, progress).run();
}

const Mix& natural_mix(const Source& source) {
  std::map<DType, uint64_t> values;
  for (const SourceTensor& tensor : source.tensors) values[present_type(tensor)] += tensor.columns() * tensor.rows();
  const auto most = std::ranges::max_element(values, {}, [](const auto& pair) { return pair.second; });
  const Mix* found = find_mix(tensor::name(most->first));
  return found != nullptr && tensor::block_size(found->base) == 1 ? *found : *find_mix("F16");
}

}  // namespace lyceum::quantizer
