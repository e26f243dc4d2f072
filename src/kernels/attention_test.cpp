// Attention. Tolerance against the reference: 3e-6 of max(1, |value|): tiled online softmax against one pass over the row.
#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/test_values.h"

namespace lyceum::kernels {
namespace {

constexpr float kTolerance = 3e-6f;

struct Case {
  AttentionShape shape;
  std::vector<uint32_t> documents;
  size_t tokens() const { return documents.back(); }
  size_t q_columns() const { return shape.heads * shape.head_dim; }
  size_t kv_columns() const { return shape.kv_heads * shape.head_dim; }
};

AttentionShape make_shape(size_t heads, size_t kv_heads, size_t head_dim, size_t window = 0) {
  return {heads, kv_heads, head_dim, 1.0f / std::sqrt(static_cast<float>(head_dim)), window};
}

std::vector<Case> cases() {
  return {{make_shape(1, 1, 8), {0, 5}},
          {make_shape(2, 1, 8), {0, 1, 2, 9}},
          {make_shape(4, 2, 64), {0, 70, 199}},
          {make_shape(3, 3, 20), {0, 64, 128, 130}},
          {make_shape(4, 1, 128, 17), {0, 150}},
          {make_shape(2, 2, 32, 64), {0, 3, 203}},
          {make_shape(2, 1, 256, 1), {0, 66}}};
}

struct Operands {
  std::vector<float> q, k, v, dout;
  explicit Operands(const Case& c) {
    TestValues values(c.tokens() + c.shape.head_dim);
    q = values.take(c.tokens() * c.q_columns(), 2.0f);
    k = values.take(c.tokens() * c.kv_columns(), 2.0f);
    v = values.take(c.tokens() * c.kv_columns());
    dout = values.take(c.tokens() * c.q_columns());
  }
};

// out, then log_sum_exp.
std::vector<float> run_forward(ThreadPool& pool, const Case& c, const Operands& o) {
  const size_t n = c.tokens();
  std::vector<float> out(n * c.q_columns() + n * c.shape.heads);
  attention(pool, c.shape, c.documents, {o.q.data(), n, c.q_columns()}, {o.k.data(), n, c.kv_columns()}, {o.v.data(), n, c.kv_columns()},
            {out.data(), n, c.q_columns()}, out.data() + n * c.q_columns());
  return out;
}

// dq, dk, dv one after the other.
std::vector<float> run_backward(ThreadPool& pool, const Case& c, const Operands& o) {
  const size_t n = c.tokens(), q_size = n * c.q_columns(), kv_size = n * c.kv_columns();
  const auto out = run_forward(pool, c, o);
  std::vector<float> gradients(q_size + 2 * kv_size, 7.0f);
  attention_backward(pool, c.shape, c.documents, {o.q.data(), n, c.q_columns()}, {o.k.data(), n, c.kv_columns()}, {o.v.data(), n, c.kv_columns()},
                     {out.data(), n, c.q_columns()}, out.data() + q_size, {o.dout.data(), n, c.q_columns()}, {gradients.data(), n, c.q_columns()},
                     {gradients.data() + q_size, n, c.kv_columns()}, {gradients.data() + q_size + kv_size, n, c.kv_columns()});
  return gradients;
}

// sum(dout * attention) in double; values = q, k, v one after the other.
double loss_of(const std::vector<double>& values, const Case& c, const std::vector<float>& dout) {
  const size_t n = c.tokens(), d = c.shape.head_dim;
  const double* k = values.data() + n * c.q_columns();
  const double* v = k + n * c.kv_columns();
  double loss = 0;
  for (size_t doc = 0; doc + 1 < c.documents.size(); ++doc) {
    for (size_t row = c.documents[doc]; row < c.documents[doc + 1]; ++row) {
      for (size_t head = 0; head < c.shape.heads; ++head) {
        const size_t at = head / (c.shape.heads / c.shape.kv_heads) * d;
        double total = 0, mixed = 0;
        for (size_t p = c.documents[doc]; p <= row; ++p) {
          if (c.shape.window != 0 && row - p >= c.shape.window) continue;
          double score = 0, value = 0;
          for (size_t i = 0; i < d; ++i) {
            score += values[row * c.q_columns() + head * d + i] * k[p * c.kv_columns() + at + i];
            value += v[p * c.kv_columns() + at + i] * static_cast<double>(dout[row * c.q_columns() + head * d + i]);
          }
          const double chance = std::exp(score * static_cast<double>(c.shape.scale));
          total += chance;
          mixed += chance * value;
        }
        loss += mixed / total;
      }
    }
  }
  return loss;
}

TEST(Attention, AgreesWithTheReference) {
  for (const Case& c : cases()) {
    const Operands operands(c);
    expect_agreement("attention", kTolerance, [&](ThreadPool& pool) { return run_forward(pool, c, operands); });
  }
}

TEST(Attention, BackwardAgreesWithTheReference) {
  for (const Case& c : cases()) {
    const Operands operands(c);
    expect_agreement("attention_backward", kTolerance * 4, [&](ThreadPool& pool) { return run_backward(pool, c, operands); });
  }
}

TEST(Attention, BackwardIsTheSlope) {
  for (const Case& c : {Case{make_shape(2, 1, 8), {0, 3, 9}}, Case{make_shape(2, 2, 4, 3), {0, 8}}}) {
    const Operands o(c);
    auto all = widen(o.q);
    for (const auto* part : {&o.k, &o.v}) {
      for (const float x : *part) all.push_back(static_cast<double>(x));
    }
    ThreadPool pool(1);
    const auto gradients = run_backward(pool, c, o);
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_NEAR(gradients[i], slope([&](const std::vector<double>& at) { return loss_of(at, c, o.dout); }, all, i), 1e-5) << i;
    }
  }
}

TEST(Attention, DocumentGivesTheSameBytesWhereverItIsPacked) {
  const AttentionShape shape = make_shape(4, 2, 64);
  const Case alone{shape, {0, 130}};
  const Case packed{shape, {0, 77, 207, 250}};
  Operands in_pack(packed), by_itself(alone);
  std::copy_n(in_pack.q.begin() + 77 * 256, 130 * 256, by_itself.q.begin());
  std::copy_n(in_pack.k.begin() + 77 * 128, 130 * 128, by_itself.k.begin());
  std::copy_n(in_pack.v.begin() + 77 * 128, 130 * 128, by_itself.v.begin());
  ThreadPool pool(2);
  const auto a = run_forward(pool, packed, in_pack), b = run_forward(pool, alone, by_itself);
  EXPECT_TRUE(std::equal(b.begin(), b.begin() + 130 * 256, a.begin() + 77 * 256));
}

// The keys and values of one sequence in blocks.
struct Cache {
  std::vector<std::vector<std::byte>> blocks;
  std::vector<std::byte*> keys, values;
  KvCache view;
  Cache(tensor::DType dtype, size_t columns, size_t tokens, size_t block_tokens) {
    const size_t count = (tokens + block_tokens - 1) / block_tokens;
    for (size_t i = 0; i < 2 * count; ++i) blocks.emplace_back(block_tokens * tensor::row_bytes(dtype, columns));
    for (size_t i = 0; i < count; ++i) {
      keys.push_back(blocks[2 * i].data());
      values.push_back(blocks[2 * i + 1].data());
    }
    view = {dtype, block_tokens, keys.data(), values.data()};
  }
};

// Feeds the document in steps of `step` tokens through a cache.
std::vector<float> run_cached(ThreadPool& pool, const Case& c, const Operands& o, tensor::DType dtype, size_t block_tokens, size_t step) {
  const size_t n = c.tokens();
  Cache cache(dtype, c.kv_columns(), n, block_tokens);
  std::vector<float> out(n * c.q_columns());
  for (size_t at = 0; at < n; at += step) {
    const size_t rows = std::min(step, n - at);
    kv_append(cache.view, at, {o.k.data() + at * c.kv_columns(), rows, c.kv_columns()}, {o.v.data() + at * c.kv_columns(), rows, c.kv_columns()});
    const CachedQuery query{0, rows, at, cache.view};
    attention_cached(pool, c.shape, std::span(&query, 1), {o.q.data() + at * c.q_columns(), rows, c.q_columns()},
                     {out.data() + at * c.q_columns(), rows, c.q_columns()});
  }
  return out;
}

TEST(AttentionCached, GivesTheBytesOfTrainingForAnyStepAndBlockSize) {
  for (const Case& c : cases()) {
    if (c.documents.size() != 2) continue;
    const Operands o(c);
    on_every_isa([&](Isa isa) {
      ThreadPool pool(2);
      auto expected = run_forward(pool, c, o);
      expected.resize(c.tokens() * c.q_columns());
      for (const size_t step : {size_t{1}, size_t{7}, size_t{1000}}) {
        for (const size_t block_tokens : {size_t{512}, size_t{64}, size_t{24}}) {
          const auto got = run_cached(pool, c, o, tensor::DType::f32, block_tokens, step);
          EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * 4), 0) << name(isa) << " step " << step << " blocks of " << block_tokens;
        }
      }
    });
  }
}

TEST(AttentionCached, ReadsHalvesAsTheReferenceDoes) {
  const Case c{make_shape(6, 2, 32), {0, 90}};
  const Operands o(c);
  for (const tensor::DType dtype : {tensor::DType::f16, tensor::DType::bf16}) {
    expect_agreement("attention_cached", kTolerance, [&](ThreadPool& pool) { return run_cached(pool, c, o, dtype, 64, 13); });
  }
}

TEST(AttentionCached, ServesSeveralSequencesAtOnce) {
  const Case c{make_shape(4, 2, 16), {0, 80}};
  const Operands o(c);
  Cache first(tensor::DType::f32, c.kv_columns(), 80, 64), second(tensor::DType::f32, c.kv_columns(), 80, 64);
  const ConstRows k{o.k.data(), 80, c.kv_columns()}, v{o.v.data(), 80, c.kv_columns()};
  kv_append(first.view, 0, k, v);
  kv_append(second.view, 0, k, v);
  ThreadPool pool(2);
  const auto expected = run_forward(pool, c, o);
  // Rows 0..4 continue one sequence at position 75, row 5 is one token of another at position 10.
  std::vector<float> q(o.q.begin() + 75 * 64, o.q.begin() + 80 * 64), out(6 * 64);
  q.insert(q.end(), o.q.begin() + 10 * 64, o.q.begin() + 11 * 64);
  const CachedQuery queries[] = {{0, 5, 75, first.view}, {5, 1, 10, second.view}};
  attention_cached(pool, c.shape, queries, {q.data(), 6, 64}, {out.data(), 6, 64});
  EXPECT_TRUE(std::equal(out.begin(), out.begin() + 5 * 64, expected.begin() + 75 * 64));
  EXPECT_TRUE(std::equal(out.begin() + 5 * 64, out.end(), expected.begin() + 10 * 64));
}

}  // namespace
}  // namespace lyceum::kernels
