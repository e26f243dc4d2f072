// Prompt and decode speed of the engine's forward pass on a model of a true shape with random weights.
//
//   bench_engine [--shape tiny|qwen2-0.5b|tinyllama-1.1b] [--type F32|F16|BF16|Q8_0|Q4_0] [--threads N] [--prompt N] [--decode N]
//
// One line a measurement. GB/s counts the weights that a step reads, once; the share is of what a plain read of memory gets in the
// same minute on the same threads (a probe before and after). Steal is the share of time that the hypervisor gave to others:
// numbers above 8 % are not worth quoting.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <numeric>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "engine/forward.h"
#include "kernels/convert.h"
#include "kernels/dispatch.h"
#include "models/bind.h"
#include "models/load.h"
#include "models/sources.h"

namespace lyceum::engine {
namespace {

struct Options {
  std::string shape = "qwen2-0.5b", type = "F16";
  unsigned threads = 0;
  size_t prompt = 512, decode = 16;
};

const std::map<std::string, const char*> kShapes = {
    {"tiny", R"({"architectures":["LlamaForCausalLM"],"hidden_size":256,"intermediate_size":704,"num_hidden_layers":8,
      "num_attention_heads":8,"num_key_value_heads":4,"vocab_size":4096,"max_position_embeddings":2048,"tie_word_embeddings":true})"},
    {"qwen2-0.5b", R"({"architectures":["Qwen2ForCausalLM"],"hidden_size":896,"intermediate_size":4864,"num_hidden_layers":24,
      "num_attention_heads":14,"num_key_value_heads":2,"vocab_size":151936,"max_position_embeddings":32768,"tie_word_embeddings":true})"},
    {"tinyllama-1.1b", R"({"architectures":["LlamaForCausalLM"],"hidden_size":2048,"intermediate_size":5632,"num_hidden_layers":22,
      "num_attention_heads":32,"num_key_value_heads":4,"vocab_size":32000,"max_position_embeddings":2048})"}};

// Random weights in any dtype: one quantised pattern repeated, since only the amount of memory and the arithmetic matter.
class RandomSource final : public models::WeightSource {
 public:
  explicit RandomSource(tensor::DType dtype, bool tied) : dtype_(dtype), tied_(tied) {
    constexpr size_t kValues = 1 << 16;
    Rng rng(1);
    values_.resize(kValues);
    for (float& value : values_) value = static_cast<float>(0.02 * rng.normal());
    pattern_.resize(tensor::row_bytes(dtype, kValues));
    kernels::quantize(dtype, values_.data(), kValues, pattern_.data());
  }

  tensor::WeightView find(const std::string& name, const models::TensorShape& shape) override {
    if (tied_ && name == "lm_head.weight") return {};
    const tensor::DType dtype = shape.vector ? tensor::DType::f32 : dtype_;
    const auto* from = shape.vector ? reinterpret_cast<const std::byte*>(values_.data()) : pattern_.data();
    const size_t period = shape.vector ? values_.size() * sizeof(float) : pattern_.size();
    auto memory = std::make_shared<std::vector<std::byte>>(shape.rows * tensor::row_bytes(dtype, shape.columns));
    for (size_t at = 0; at < memory->size(); at += period) std::memcpy(memory->data() + at, from, std::min(period, memory->size() - at));
    storage.push_back(memory);
    return {memory->data(), dtype, shape.rows, shape.columns};
  }
  std::vector<std::string> unused() const override { return {}; }
  std::string what() const override { return "random weights"; }

  std::vector<std::shared_ptr<void>> storage;

 private:
  tensor::DType dtype_;
  bool tied_;
  std::vector<float> values_;
  std::vector<std::byte> pattern_;
};

models::Decoder make_random(const Options& options) {
  const auto shape = kShapes.find(options.shape);
  if (shape == kShapes.end()) throw Error(Code::invalid_argument, "unknown --shape " + options.shape);
  const auto dtype = models::find_dtype(options.type);
  if (!dtype) throw Error(Code::invalid_argument, "unknown --type " + options.type);
  models::DecoderConfig config = models::read_config(shape->second);
  RandomSource source(*dtype, config.tied_embeddings);
  models::Decoder decoder = models::bind_decoder(std::move(config), source);
  decoder.storage.insert(decoder.storage.end(), source.storage.begin(), source.storage.end());
  return decoder;
}

// Bytes of weights that one step reads: all but the embedding table, of which it reads a row a token (unless it is the head too).
uint64_t bytes_of_step(const models::Decoder& decoder) {
  uint64_t total = 0;
  for (const models::NamedWeight& weight : models::list_weights(decoder)) {
    if (weight.name == "model.embed_tokens.weight" && !decoder.config.tied_embeddings) continue;
    total += weight.view.rows * tensor::row_bytes(weight.view.dtype, weight.view.columns);
  }
  return total;
}

// Reads 512 MiB with all threads, best of five, GB/s.
double probe_memory(ThreadPool& pool) {
  constexpr size_t kTasks = 512, kWords = (1 << 20) / sizeof(uint64_t);
  static const std::vector<uint64_t> memory(kTasks * kWords, 1);
  std::atomic<uint64_t> sink{0};
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    const double started = monotonic_seconds();
    pool.run(kTasks, [&](size_t task, unsigned) {
      const uint64_t* words = memory.data() + task * kWords;
      uint64_t sums[8] = {};
      for (size_t i = 0; i < kWords; i += 8) {
        for (size_t lane = 0; lane < 8; ++lane) sums[lane] += words[i + lane];
      }
      sink += std::accumulate(std::begin(sums), std::end(sums), uint64_t{0});
    });
    best = std::max(best, static_cast<double>(kTasks * kWords * sizeof(uint64_t)) / (monotonic_seconds() - started) * 1e-9);
  }
  return best;
}

// CPU time over wall time since construction.
class CoresUsed {
 public:
  double get() const { return (process_cpu_seconds() - cpu_) / (monotonic_seconds() - wall_); }

 private:
  double cpu_ = process_cpu_seconds(), wall_ = monotonic_seconds();
};

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options), pool_(options.threads), decoder_(make_random(options)),
        layout_{decoder_.config.layers, size_t{decoder_.config.kv_heads} * decoder_.config.head_dim, tensor::DType::f16},
        kv_(layout_, 8ULL << 30), forward_(decoder_, pool_, &layout_), bandwidth_(probe_memory(pool_)) {}

  void run() {
    std::printf("%s %s, %.0f M parameters, %u threads, %s kernels, memory %.1f GB/s\n", options_.shape.c_str(), options_.type.c_str(),
                static_cast<double>(decoder_.parameters()) * 1e-6, pool_.size(), std::string(kernels::name(kernels::current_isa())).c_str(), bandwidth_);
    bench_prompt();
    for (const size_t sequences : {1, 4, 8, 16, 32}) bench_decode(sequences);
    std::printf("memory after: %.1f GB/s\n", probe_memory(pool_));
  }

 private:
  std::vector<KvBlock*> take_blocks(size_t tokens) {
    std::vector<KvBlock*> blocks;
    while (blocks.size() * kBlockTokens < tokens) {
      blocks.push_back(kv_.try_allocate());
      if (blocks.back() == nullptr) throw Error(Code::too_large, "the cache is too small for this benchmark");
    }
    return blocks;
  }
  void give_back(const std::vector<KvBlock*>& blocks) {
    for (KvBlock* block : blocks) kv_.release(*block);
  }

  void bench_prompt() {
    const std::vector<KvBlock*> blocks = take_blocks(options_.prompt);
    std::vector<int32_t> ids(options_.prompt);
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i * 37 % decoder_.config.vocab);
    const size_t last = ids.size() - 1;
    const ForwardSpan span{ids.size(), 0, ids.size(), nullptr, blocks};
    const CoresUsed cores;
    double best = 1e30;
    for (int round = 0; round < 3; ++round) {
      const double started = monotonic_seconds();
      forward_.run(ids, {&span, 1});
      forward_.logits({&last, 1});
      best = std::min(best, monotonic_seconds() - started);
    }
    const double flops = 2.0 * static_cast<double>(decoder_.parameters()) * static_cast<double>(ids.size());
    std::printf("prompt %4zu tokens          %8.1f tokens/s  %6.1f GFLOP/s  %.2f cores used\n", ids.size(), static_cast<double>(ids.size()) / best,
                flops / best * 1e-9, cores.get());
    give_back(blocks);
  }

  void bench_decode(size_t sequences) {
    std::vector<std::vector<KvBlock*>> blocks;
    for (size_t i = 0; i < sequences; ++i) blocks.push_back(take_blocks(options_.decode + 1));
    std::vector<int32_t> ids(sequences, 7);
    std::vector<size_t> rows(sequences);
    std::iota(rows.begin(), rows.end(), size_t{0});
    const CoresUsed cores;
    std::vector<double> seconds;
    for (size_t step = 0; step <= options_.decode; ++step) {
      std::vector<ForwardSpan> spans;
      for (size_t i = 0; i < sequences; ++i) spans.push_back({1, step, options_.decode + 1, nullptr, blocks[i]});
      const double started = monotonic_seconds();
      forward_.run(ids, spans);
      forward_.logits(rows);
      seconds.push_back(monotonic_seconds() - started);
    }
    std::ranges::nth_element(seconds, seconds.begin() + static_cast<ptrdiff_t>(seconds.size() / 2));
    const double median = seconds[seconds.size() / 2], gigabytes = static_cast<double>(bytes_of_step(decoder_)) / median * 1e-9;
    std::printf("decode %4zu sequences       %8.1f tokens/s  %6.1f GB/s = %.0f %% of memory  %.2f cores used\n", sequences,
                static_cast<double>(sequences) / median, gigabytes, 100 * gigabytes / bandwidth_, cores.get());
    for (const auto& each : blocks) give_back(each);
  }

  Options options_;
  ThreadPool pool_;
  models::Decoder decoder_;
  KvLayout layout_;
  KvPool kv_;
  Forward forward_;
  double bandwidth_;
};

Options read_options(int count, char** arguments) {
  Options out;
  for (int i = 1; i < count; i += 2) {
    const std::string flag = arguments[i];
    if (i + 1 == count) throw Error(Code::invalid_argument, flag + " needs a value");
    const std::string value = arguments[i + 1];
    if (flag == "--shape") out.shape = value;
    else if (flag == "--type") out.type = value;
    else if (flag == "--threads") out.threads = static_cast<unsigned>(std::stoul(value));
    else if (flag == "--prompt") out.prompt = std::max(1ul, std::stoul(value));
    else if (flag == "--decode") out.decode = std::max(1ul, std::stoul(value));
    else throw Error(Code::invalid_argument, "unknown option " + flag + "; there are --shape, --type, --threads, --prompt, --decode");
  }
  return out;
}

}  // namespace
}  // namespace lyceum::engine

int main(int count, char** arguments) {
  try {
    lyceum::engine::Bench(lyceum::engine::read_options(count, arguments)).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_engine: %s\n", error.what());
    return 2;
  }
}
