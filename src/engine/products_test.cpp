// Integer products in the forward pass: near the exact ones, and blind to chunks and neighbours.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/forward.h"
#include "engine/golden_files.h"
#include "models/load.h"

namespace lyceum::engine {
namespace {

// Of the root mean square of the logits. These small models of random weights amplify what is rounded more than trained ones do.
constexpr double kTolerance = 0.02;

std::vector<size_t> all_rows(size_t count) {
  std::vector<size_t> rows(count);
  std::iota(rows.begin(), rows.end(), size_t{0});
  return rows;
}

std::vector<float> copy(const kernels::Rows& rows) { return {rows.data, rows.data + rows.rows * rows.columns}; }

class IntegerProducts : public testing::TestWithParam<std::string> {
 protected:
  IntegerProducts() : decoder(models::load_decoder(goldens_folder() / "cases" / GetParam())), expected(read_expected(goldens_folder() / "cases" / GetParam())) {}

  std::vector<float> document(ThreadPool& pool) {
    Forward forward(*decoder, pool, nullptr, Products::integer);
    const ForwardSpan span{expected.ids.size(), 0, expected.ids.size(), nullptr, {}};
    forward.run(expected.ids, {&span, 1});
    return copy(forward.logits(all_rows(expected.ids.size())));
  }

  std::shared_ptr<const models::Decoder> decoder;
  Expected expected;
};

TEST_P(IntegerProducts, AreNearTheExactOnes) {
  ThreadPool pool(2);
  const std::vector<float> got = document(pool);
  double differences = 0, squares = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double difference = static_cast<double>(got[i]) - static_cast<double>(expected.logits[i]);
    differences += difference * difference;
    squares += static_cast<double>(expected.logits[i]) * static_cast<double>(expected.logits[i]);
  }
  EXPECT_LE(std::sqrt(differences / squares), kTolerance);
  EXPECT_GT(differences, 1e-6 * squares) << "the model has no quantised weights";
}

TEST_P(IntegerProducts, DoNotDependOnThreadsOrChunks) {
  ThreadPool one(1), three(3);
  const std::vector<float> whole = document(one);
  EXPECT_EQ(whole, document(three));
  const KvLayout layout = layout_of(decoder->config, tensor::DType::f32);
  for (const size_t chunk : {1, 7, 33}) {
    KvPool kv(layout, (expected.ids.size() / kBlockTokens + 3) * layout.block_bytes());
    std::vector<KvBlock*> blocks;
    while (blocks.size() * kBlockTokens < expected.ids.size()) blocks.push_back(kv.try_allocate());
    Forward forward(*decoder, three, &layout, Products::integer);
    std::vector<float> got;
    for (size_t at = 0; at < expected.ids.size(); at += chunk) {
      const size_t rows = std::min(chunk, expected.ids.size() - at);
      const ForwardSpan span{rows, at, expected.ids.size(), nullptr, blocks};
      forward.run(std::span(expected.ids).subspan(at, rows), {&span, 1});
      const std::vector<float> part = copy(forward.logits(all_rows(rows)));
      got.insert(got.end(), part.begin(), part.end());
    }
    EXPECT_EQ(got, whole) << chunk;
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, IntegerProducts, testing::Values("gguf_llama_q8_0", "gguf_qwen2_q8_0", "gguf_llama_blocks"), [](const auto& each) { return each.param; });

}  // namespace
}  // namespace lyceum::engine
