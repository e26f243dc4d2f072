// Prompt and decode speed of the engine's forward pass: on a GGUF file, or on a model of a true shape with random weights.
//
//   bench_engine [--model FILE.gguf | --shape tiny|qwen2-0.5b|tinyllama-1.1b --type F32|F16|BF16|Q8_0|Q4_0] [--products integer|exact]
//                [--threads N] [--prompt N] [--decode N] [--sequences 1,4,8]
//   bench_engine --model FILE.gguf --text FILE    nats a token of a text with either kind of product; the file holds int32 token ids
//
// One JSON object a line and measurement. GB/s counts the weights that a step reads, once; the share is of what a plain read of memory
// gets in the same minute on the same threads. bench/engine.py runs it by turns with llama.cpp.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "base/files.h"
#include "engine/forward.h"
#include "engine/sampler.h"
#include "engine/speed.h"
#include "kernels/convert.h"
#include "kernels/dispatch.h"
#include "models/bind.h"
#include "models/load.h"
#include "models/sources.h"

namespace lyceum::engine {
namespace {

struct Options {
  std::string model, text, shape = "qwen2-0.5b", type = "F16", products = "integer";
  unsigned threads = 0;
  size_t prompt = 512, decode = 16;
  std::vector<size_t> sequences{1, 4, 8, 16, 32};
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

std::shared_ptr<const models::Decoder> open_model(const Options& options) {
  if (options.model.empty()) return std::make_shared<models::Decoder>(make_random(options));
  return models::load_decoder(options.model);
}

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options), pool_(options.threads), decoder_(open_model(options)),
        test_(*decoder_, pool_, options.products == "exact" ? Products::exact : Products::integer) {}

  void run() {
    test_.prompt(std::clamp<size_t>(options_.prompt, 1, 16));   // pages and tables are there from here on
    bandwidth_ = probe_memory(pool_);
    std::printf("{\"what\":\"memory\",\"gb_s\":%.2f,\"threads\":%u,\"isa\":\"%s\",\"parameters\":%zu,\"weights_gb\":%.4f}\n", bandwidth_, pool_.size(),
                std::string(kernels::name(kernels::current_isa())).c_str(), static_cast<size_t>(decoder_->parameters()), static_cast<double>(footprint_.step_weights) * 1e-9);
    if (options_.prompt > 0) print("prompt", 1, options_.prompt, test_.prompt(options_.prompt), 0);
    for (const size_t sequences : options_.sequences) {
      if (options_.decode > 0) print("decode", sequences, options_.decode * sequences, test_.decode(sequences, options_.decode), options_.decode);
    }
  }

 private:
  static void print_number(const char* key, double value) { std::printf(",\"%s\":%.5g", key, value); }
  // steps: how often all weights were read; 0 = that is no limit.
  void print(const char* what, size_t sequences, size_t tokens, const SpeedTest::Spent& spent, size_t steps) {
    std::printf("{\"what\":\"%s\",\"sequences\":%zu,\"tokens\":%zu", what, sequences, tokens);
    print_number("tokens_s", static_cast<double>(tokens) / spent.wall_s);
    print_number("cpu_s", spent.cpu_s);
    print_number("gflop_s", 2e-9 * static_cast<double>(footprint_.step_parameters) * static_cast<double>(tokens) / spent.wall_s);
    if (steps > 0) print_number("of_memory", static_cast<double>(footprint_.step_weights * steps) * 1e-9 / spent.wall_s / bandwidth_);
    std::printf("}\n");
    std::fflush(stdout);
  }

  Options options_;
  ThreadPool pool_;
  std::shared_ptr<const models::Decoder> decoder_;
  Footprint footprint_ = measure_footprint(*decoder_);
  SpeedTest test_;
  double bandwidth_ = 0;
};

// Mean of -log p over a text, cut into documents of kDocument tokens.
void measure_text(const Options& options) {
  constexpr size_t kDocument = 512;
  const auto decoder = open_model(options);
  const std::string bytes = read_file(options.text);
  std::vector<int32_t> ids(bytes.size() / sizeof(int32_t));
  std::memcpy(ids.data(), bytes.data(), ids.size() * sizeof(int32_t));
  ThreadPool pool(options.threads);
  for (const Products products : {Products::exact, Products::integer}) {
    Forward forward(*decoder, pool, nullptr, products);
    double nats = 0;
    size_t counted = 0;
    for (size_t at = 0; at + 1 < ids.size(); at += kDocument) {
      const std::span<const int32_t> document = std::span(ids).subspan(at, std::min(kDocument, ids.size() - at));
      const ForwardSpan span{document.size(), 0, document.size(), nullptr, {}};
      forward.run(document, {&span, 1});
      std::vector<size_t> rows(document.size() - 1);
      std::iota(rows.begin(), rows.end(), size_t{0});
      const kernels::Rows logits = forward.logits(rows);
      for (const size_t row : rows) nats -= static_cast<double>(log_probability({logits.row(row), logits.columns}, document[row + 1]));
      counted += rows.size();
    }
    std::printf("{\"what\":\"text\",\"products\":\"%s\",\"tokens\":%zu,\"nats\":%.6f}\n", products == Products::exact ? "exact" : "integer", counted, nats / static_cast<double>(counted));
  }
}

std::vector<size_t> read_list(const std::string& text) {
  std::vector<size_t> out;
  for (size_t at = 0; at < text.size(); at = text.find(',', at) == std::string::npos ? text.size() : text.find(',', at) + 1) out.push_back(std::stoul(text.substr(at)));
  return out;
}

Options read_options(int count, char** arguments) {
  Options out;
  for (int i = 1; i < count; i += 2) {
    const std::string flag = arguments[i];
    if (i + 1 == count) throw Error(Code::invalid_argument, flag + " needs a value");
    const std::string value = arguments[i + 1];
    if (flag == "--model") out.model = value;
    else if (flag == "--text") out.text = value;
    else if (flag == "--products") out.products = value;
    else if (flag == "--sequences") out.sequences = read_list(value);
    else if (flag == "--shape") out.shape = value;
    else if (flag == "--type") out.type = value;
    else if (flag == "--threads") out.threads = static_cast<unsigned>(std::stoul(value));
    else if (flag == "--prompt") out.prompt = std::stoul(value);
    else if (flag == "--decode") out.decode = std::stoul(value);
    else throw Error(Code::invalid_argument, "unknown option " + flag + "; there are --model, --shape, --type, --products, --threads, --prompt, --decode, --sequences");
  }
  return out;
}

}  // namespace
}  // namespace lyceum::engine

int main(int count, char** arguments) {
  try {
    const auto options = lyceum::engine::read_options(count, arguments);
    if (options.text.empty()) lyceum::engine::Bench(options).run();
    else lyceum::engine::measure_text(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_engine: %s\n", error.what());
    return 2;
  }
}
