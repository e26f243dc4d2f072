#include "quantizer/calibrate.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "engine/forward.h"
#include "quantizer/tensors.h"

namespace lyceum::quantizer {
namespace {

constexpr size_t kTokensMin = 32;

// Sums in double: a text of millions of tokens must not stop counting.
class Collector {
 public:
  explicit Collector(const models::Decoder& decoder) {
    for (const SourceTensor& tensor : list_tensors(decoder)) {
      if (tensor.is_vector()) continue;
      for (size_t i = 0; i < tensor.parts.size(); ++i) {
        // The parts of a fused matrix read the same rows, so the first stands for all; experts are matrices of their own.
        if (i == 0 || tensor.matrices() > 1) places_.emplace(tensor.parts[i].data, sums_.size());
        if (i == 0 || tensor.matrices() > 1) sums_.push_back({tensor.name, i, tensor.matrices(), std::vector<double>(tensor.columns())});
      }
    }
  }

  void see(const tensor::WeightView& weight, kernels::ConstRows x, ThreadPool& pool) {
    const auto found = places_.find(weight.data);
    if (found == places_.end()) return;
    Sums& sums = sums_[found->second];
    constexpr size_t kColumns = 256;
    pool.run((x.columns + kColumns - 1) / kColumns, [&](size_t task, unsigned) {
      for (size_t row = 0; row < x.rows; ++row) {
        const float* values = x.row(row);
        for (size_t i = task * kColumns; i < std::min(x.columns, (task + 1) * kColumns); ++i) sums.squares[i] += double{values[i]} * double{values[i]};
      }
    });
    sums.rows += x.rows;
  }

  std::map<std::string, ImportanceEntry, std::less<>> entries() const {
    std::map<std::string, ImportanceEntry, std::less<>> out;
    for (const Sums& sums : sums_) {
      ImportanceEntry& entry = out[sums.name];
      entry.columns = sums.squares.size();
      entry.counts.resize(sums.matrices);
      entry.sums.resize(sums.matrices * entry.columns);
      entry.counts[sums.matrix] = static_cast<float>(sums.rows);
      std::ranges::transform(sums.squares, entry.sums.begin() + static_cast<ptrdiff_t>(sums.matrix * entry.columns), [](double value) { return static_cast<float>(value); });
    }
    // Embeddings, heads and what no row reached.
    std::erase_if(out, [](const auto& pair) { return std::ranges::all_of(pair.second.counts, [](float count) { return count == 0; }); });
    return out;
  }

 private:
  struct Sums {
    std::string name;
    size_t matrix, matrices;
    std::vector<double> squares;
    uint64_t rows = 0;
  };
  std::vector<Sums> sums_;
  std::unordered_map<const std::byte*, size_t> places_;
};

}  // namespace

Importance calibrate(const models::Decoder& decoder, const text::Tokenizer& tokenizer, std::string_view text, const CalibrateOptions& options, ThreadPool& pool,
                     const std::function<void(size_t, size_t)>& progress) {
  const std::vector<int32_t> ids = tokenizer.encode(text, {false, false}), lead = tokenizer.encode("");
  if (ids.size() < kTokensMin) throw Error(Code::invalid_argument, "the calibration text has " + std::to_string(ids.size()) + " tokens; some tens of thousands tell something, 32 are the least");
  const size_t chunk = std::max<size_t>(kTokensMin, std::min(options.chunk_tokens, decoder.config.context)) - lead.size();
  size_t chunks = std::max<size_t>(1, ids.size() / chunk);
  if (options.chunks_max != 0) chunks = std::min<size_t>(chunks, options.chunks_max);
  Collector collector(decoder);
  engine::Forward forward(decoder, pool, nullptr);
  forward.set_observer([&](const tensor::WeightView& weight, kernels::ConstRows x) { collector.see(weight, x, pool); });
  for (size_t i = 0; i < chunks; ++i) {
    std::vector<int32_t> document = lead;
    const auto begin = ids.begin() + static_cast<ptrdiff_t>(i * chunk);
    document.insert(document.end(), begin, begin + static_cast<ptrdiff_t>(std::min(chunk, ids.size() - i * chunk)));
    const engine::ForwardSpan span{document.size(), 0, document.size(), nullptr, {}};
    forward.run(document, {&span, 1});
    progress(i + 1, chunks);
  }
  Importance out;
  out.entries = collector.entries();
  out.chunks = static_cast<uint32_t>(chunks);
  out.chunk_tokens = static_cast<uint32_t>(chunk + lead.size());
  return out;
}

}  // namespace lyceum::quantizer
