// Logits against transformers and PEFT (tests/goldens/models/make_goldens.py): every architecture, every configuration switch, every
// stored dtype; as one document, and through the cache with the prompt cut into pieces.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/error.h"
#include "engine/adapter.h"
#include "engine/forward.h"
#include "engine/golden_files.h"
#include "models/load.h"

namespace lyceum::engine {
namespace {

constexpr float kTolerance = 1e-4f;

std::vector<size_t> all_rows(size_t count) {
  std::vector<size_t> rows(count);
  std::iota(rows.begin(), rows.end(), size_t{0});
  return rows;
}

float largest_difference(const kernels::Rows& got, const float* wanted) {
  float largest = 0;
  for (size_t i = 0; i < got.rows * got.columns; ++i) {
    const float difference = std::fabs(got.data[i] - wanted[i]);
    if (!(difference <= largest)) largest = difference;  // NaN counts
  }
  return largest;
}

// Blocks of its own for one sequence.
struct OwnBlocks {
  OwnBlocks(const KvLayout& layout, size_t tokens) : pool(layout, (tokens / kBlockTokens + 3) * layout.block_bytes()) {
    while (blocks.size() * kBlockTokens < tokens) blocks.push_back(pool.try_allocate());
  }
  KvPool pool;
  std::vector<KvBlock*> blocks;
};

KvLayout f32_layout(const models::Decoder& decoder) {
  return layout_of(decoder.config, tensor::DType::f32);
}

float document_difference(const models::Decoder& decoder, const Adapter* adapter, const Expected& expected) {
  ThreadPool pool(2);
  Forward forward(decoder, pool, nullptr);
  const ForwardSpan span{expected.ids.size(), 0, expected.ids.size(), adapter, {}};
  forward.run(expected.ids, {&span, 1});
  return largest_difference(forward.logits(all_rows(expected.ids.size())), expected.logits.data());
}

float cached_difference(const models::Decoder& decoder, const Expected& expected, size_t chunk) {
  ThreadPool pool(2);
  const KvLayout layout = f32_layout(decoder);
  OwnBlocks own(layout, expected.ids.size());
  Forward forward(decoder, pool, &layout);
  float largest = 0;
  for (size_t at = 0; at < expected.ids.size(); at += chunk) {
    const size_t rows = std::min(chunk, expected.ids.size() - at);
    const ForwardSpan span{rows, at, expected.ids.size(), nullptr, own.blocks};
    forward.run(std::span(expected.ids).subspan(at, rows), {&span, 1});
    largest = std::max(largest, largest_difference(forward.logits(all_rows(rows)), expected.logits.data() + at * decoder.config.vocab));
  }
  return largest;
}

class ModelGolden : public testing::TestWithParam<std::string> {};

TEST_P(ModelGolden, LogitsMatchTransformers) {
  const auto folder = goldens_folder() / "cases" / GetParam();
  const auto decoder = models::load_decoder(folder);
  const Expected expected = read_expected(folder);
  ASSERT_EQ(expected.logits.size(), expected.ids.size() * decoder->config.vocab);
  const float document = document_difference(*decoder, nullptr, expected);
  EXPECT_LE(document, kTolerance);
  for (const size_t chunk : {1, 7, 33}) EXPECT_LE(cached_difference(*decoder, expected, chunk), kTolerance) << chunk;
  RecordProperty("largest_difference", std::to_string(document));
}

INSTANTIATE_TEST_SUITE_P(Cases, ModelGolden, testing::ValuesIn(list_goldens("cases")), [](const auto& each) { return each.param; });

class AdapterGolden : public testing::TestWithParam<std::string> {};

TEST_P(AdapterGolden, LogitsMatchPeft) {
  const auto decoder = models::load_decoder(goldens_folder() / "cases/llama_gqa_tied");
  const auto folder = goldens_folder() / "adapters" / GetParam();
  const auto adapter = load_peft_adapter(folder, *decoder);
  const Expected expected = read_expected(folder);
  EXPECT_LE(document_difference(*decoder, adapter.get(), expected), kTolerance);
  EXPECT_GT(document_difference(*decoder, nullptr, expected), 0.1f) << "the golden does not depend on the adapter";
}

INSTANTIATE_TEST_SUITE_P(Cases, AdapterGolden, testing::ValuesIn(list_goldens("adapters")), [](const auto& each) { return each.param; });

TEST(Forward, AdaptersInOneBatchGiveTheSameBytesAsAlone) {
  const auto decoder = models::load_decoder(goldens_folder() / "cases/llama_gqa_tied");
  std::vector<std::shared_ptr<const Adapter>> adapters = {nullptr};
  for (const auto& name : list_goldens("adapters")) adapters.push_back(load_peft_adapter(goldens_folder() / "adapters" / name, *decoder));
  const Expected expected = read_expected(goldens_folder() / "cases/llama_gqa_tied");
  ThreadPool pool(2);
  Forward forward(*decoder, pool, nullptr);
  std::vector<int32_t> ids;
  std::vector<ForwardSpan> spans;
  for (size_t i = 0; i < adapters.size(); ++i) {
    const size_t rows = expected.ids.size() - 3 * i;
    ids.insert(ids.end(), expected.ids.begin(), expected.ids.begin() + static_cast<ptrdiff_t>(rows));
    spans.push_back({rows, 0, rows, adapters[i].get(), {}});
  }
  forward.run(ids, spans);
  const kernels::Rows together = forward.logits(all_rows(ids.size()));
  const std::vector<float> kept(together.data, together.data + together.rows * together.columns);
  size_t first = 0;
  for (const ForwardSpan& span : spans) {
    forward.run(std::span(ids).subspan(first, span.rows), {&span, 1});
    EXPECT_EQ(largest_difference(forward.logits(all_rows(span.rows)), kept.data() + first * decoder->config.vocab), 0.0f);
    first += span.rows;
  }
}

}  // namespace
}  // namespace lyceum::engine
