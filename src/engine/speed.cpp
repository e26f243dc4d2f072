#include "engine/speed.h"

#include <algorithm>
#include <atomic>
#include <numeric>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "engine/kv_layout.h"
#include "kernels/integer.h"
#include "kernels/matmul.h"

namespace lyceum::engine {
namespace {

constexpr int kRounds = 5;

uint64_t bytes_of(const tensor::WeightView& view) { return view.rows * tensor::row_bytes(view.dtype, view.columns); }
uint64_t numbers_of(const tensor::WeightView& view) { return uint64_t{view.rows} * view.columns; }

class Clocked {
 public:
  SpeedTest::Spent stop() const { return {monotonic_seconds() - wall_, process_cpu_seconds() - cpu_}; }

 private:
  double wall_ = monotonic_seconds(), cpu_ = process_cpu_seconds();
};

}  // namespace

Footprint measure_footprint(const models::Decoder& decoder, EngineOptions::KvType kv_type) {
  Footprint out;
  for (const models::NamedWeight& weight : models::list_weights(decoder)) {
    out.weights += bytes_of(weight.view);
    out.step_parameters += numbers_of(weight.view);
  }
  out.step_weights = out.weights;
  const auto leave_out = [&](const tensor::WeightView& view, uint64_t part, uint64_t whole) {
    out.step_weights -= bytes_of(view) * part / whole;
    out.step_parameters -= numbers_of(view) * part / whole;
  };
  if (!decoder.config.tied_embeddings) leave_out(decoder.embedding.weight, 1, 1);
  const models::ExpertsConfig& experts = decoder.config.experts;
  for (const models::DecoderLayer& layer : decoder.layers) {
    for (const models::Mlp& expert : layer.experts.each) {
      for (const models::Linear* linear : {&expert.gate, &expert.up, &expert.down}) {
        if (!linear->weight.empty()) leave_out(linear->weight, experts.count - experts.chosen, experts.count);
      }
    }
  }
  const KvLayout layout = make_kv_layout(decoder, kv_type);
  out.kv_token = layout.block_bytes() / kBlockTokens;
  return out;
}

double probe_memory(ThreadPool& pool) {
  constexpr size_t kTasks = 512, kWords = (1 << 20) / sizeof(uint64_t);
  const std::vector<uint64_t> memory(kTasks * kWords, 1);
  std::atomic<uint64_t> sink{0};
  double best = 0;
  for (int round = 0; round < kRounds; ++round) {
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

double probe_products(ThreadPool& pool, tensor::DType dtype, Products products) {
  constexpr size_t kRows = 64, kOut = 1024, kIn = 2048;
  Rng rng(1);
  std::vector<float> x(kRows * kIn), y(kRows * kOut);
  for (float& value : x) value = static_cast<float>(rng.normal());
  const std::vector<std::byte> memory(kOut * tensor::row_bytes(dtype, kIn));   // zeros cost what other weights do
  const tensor::WeightView weight{memory.data(), dtype, kOut, kIn};
  kernels::ActivationBlocks blocks;
  double best = 0;
  for (int round = 0; round < kRounds; ++round) {
    const double started = monotonic_seconds();
    if (products == Products::integer && kernels::has_integer_product(dtype)) {
      blocks.set(pool, {x.data(), kRows, kIn});
      const kernels::IntegerProduct product{weight, nullptr, {y.data(), kRows, kOut}};
      kernels::matmul_integer(pool, blocks, {&product, 1});
    } else {
      kernels::matmul(pool, {x.data(), kRows, kIn}, weight, nullptr, {y.data(), kRows, kOut});
    }
    best = std::max(best, 2e-9 * kRows * kOut * kIn / (monotonic_seconds() - started));
  }
  return best;
}

SpeedTest::SpeedTest(const models::Decoder& decoder, ThreadPool& pool, Products products, uint64_t kv_bytes_max)
    : decoder_(decoder), layout_(make_kv_layout(decoder, EngineOptions::KvType::f16)), kv_(layout_, kv_bytes_max), forward_(decoder, pool, &layout_, products) {}

std::vector<KvBlock*> SpeedTest::take_blocks(size_t tokens) {
  std::vector<KvBlock*> blocks;
  while (blocks.size() * kBlockTokens < tokens) {
    KvBlock* block = kv_.try_allocate();
    if (block == nullptr) {
      give_back(blocks);
      throw Error(Code::too_large, "the cache is too small for so many tokens");
    }
    blocks.push_back(block);
  }
  return blocks;
}

void SpeedTest::give_back(const std::vector<KvBlock*>& blocks) {
  for (KvBlock* block : blocks) kv_.release(*block);
}

SpeedTest::Spent SpeedTest::prompt(size_t tokens) {
  LYCEUM_CHECK(tokens > 0, "a prompt has tokens");
  const std::vector<KvBlock*> blocks = take_blocks(tokens);
  std::vector<int32_t> ids(tokens);
  for (size_t i = 0; i < tokens; ++i) ids[i] = static_cast<int32_t>(i * 37 % decoder_.config.vocab);
  const size_t last = tokens - 1;
  const ForwardSpan span{tokens, 0, tokens, nullptr, blocks};
  const Clocked clock;
  forward_.run(ids, {&span, 1});
  forward_.logits({&last, 1});
  const Spent spent = clock.stop();
  give_back(blocks);
  return spent;
}

SpeedTest::Spent SpeedTest::decode(size_t sequences, size_t steps) {
  std::vector<std::vector<KvBlock*>> blocks;
  for (size_t i = 0; i < sequences; ++i) blocks.push_back(take_blocks(steps + 1));
  const std::vector<int32_t> ids(sequences, static_cast<int32_t>(7 % decoder_.config.vocab));
  std::vector<size_t> rows(sequences);
  std::iota(rows.begin(), rows.end(), size_t{0});
  Clocked clock;
  for (size_t step = 0; step <= steps; ++step) {
    if (step == 1) clock = {};   // the first one grows buffers
    std::vector<ForwardSpan> spans;
    for (size_t i = 0; i < sequences; ++i) spans.push_back({1, step, steps + 1, nullptr, blocks[i]});
    forward_.run(ids, spans);
    forward_.logits(rows);
  }
  const Spent spent = clock.stop();
  for (const auto& each : blocks) give_back(each);
  return spent;
}

}  // namespace lyceum::engine
