// Every backward op in two steps, element by element:
//   1. float64: the twin's gradient against finite differences of the twin's forward op; bound 1e-9 * max(1, |slope|).
//   2. float32: the kernel, on every instruction set, against the twin's gradient of the same operands; bound 4e-6 * max(1, |gradient|).
#include <gtest/gtest.h>

#include <functional>

#include "kernels/cross_entropy.h"
#include "kernels/double_twin.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/matmul.h"
#include "kernels/rms_norm.h"
#include "kernels/test_values.h"

namespace lyceum::kernels {
namespace {

using twin::Matrix;
using Floats = std::vector<float>;

constexpr double kSlopeBound = 1e-9, kKernelBound = 4e-6;

// loss(inputs) is any function of the inputs; gradients[i] is of inputs[i].
void expect_slopes(const char* what, std::vector<Matrix> inputs, const std::vector<Matrix>& gradients, const std::function<double(const std::vector<Matrix>&)>& loss) {
  constexpr double kStep = 1e-3;   // fourth order: truncation about 1e-12, rounding about 1e-12
  for (size_t i = 0; i < inputs.size(); ++i) {
    ASSERT_EQ(inputs[i].v.size(), gradients[i].v.size());
    for (size_t j = 0; j < inputs[i].v.size(); ++j) {
      const double middle = inputs[i].v[j];
      const auto at = [&](double distance) {
        inputs[i].v[j] = middle + distance;
        return loss(inputs);
      };
      const double slope = (8 * (at(kStep) - at(-kStep)) - (at(2 * kStep) - at(-2 * kStep))) / (12 * kStep);
      inputs[i].v[j] = middle;
      ASSERT_NEAR(gradients[i].v[j], slope, kSlopeBound * std::max(1.0, std::abs(slope))) << what << " input " << i << " element " << j;
    }
  }
}

void expect_near_twin(const char* what, const Floats& got, const Matrix& wanted) {
  ASSERT_EQ(got.size(), wanted.v.size()) << what;
  for (size_t j = 0; j < got.size(); ++j) ASSERT_NEAR(double{got[j]}, wanted.v[j], kKernelBound * std::max(1.0, std::abs(wanted.v[j]))) << what << " element " << j << " on " << name(current_isa());
}

// Weighs an output, so that its sum has the gradient dy.
double weighed(const Matrix& y, const Matrix& dy) {
  double sum = 0;
  for (size_t i = 0; i < y.v.size(); ++i) sum += y.v[i] * dy.v[i];
  return sum;
}

struct Drawn {
  Floats f;
  Matrix d;
  size_t rows, columns;
  Drawn(TestValues& values, size_t r, size_t c, float factor = 1.0f) : f(values.take(r * c, factor)), d(r, c, f.data()), rows(r), columns(c) {}
  ConstRows view() const { return {f.data(), rows, columns}; }
  tensor::WeightView weight() const { return f32_view(f.data(), rows, columns); }
};
struct Result {
  Floats f;
  size_t rows, columns;
  Result(size_t r, size_t c) : f(r * c), rows(r), columns(c) {}
  Rows view() { return {f.data(), rows, columns}; }
};

template <typename Body>
void on_every_isa_with_pool(const Body& body) {
  on_every_isa([&](Isa) {
    ThreadPool pool(2);
    body(pool);
  });
}

TEST(DoubleGradients, Matmul) {
  TestValues values(11);
  const Drawn x(values, 9, 23), w(values, 17, 23), bias(values, 1, 17), dy(values, 9, 17);
  const Matrix dx = twin::product_dx(dy.d, w.d), dw = twin::product_dw(dy.d, x.d);
  Matrix db(1, 17);
  for (size_t r = 0; r < 9; ++r) {
    for (size_t c = 0; c < 17; ++c) db.v[c] += dy.d(r, c);
  }
  expect_slopes("matmul", {x.d, w.d, bias.d}, {dx, dw, db}, [&](const std::vector<Matrix>& in) {
    Matrix y = twin::product(in[0], in[1]);
    for (size_t i = 0; i < y.v.size(); ++i) y.v[i] += in[2].v[i % 17];
    return weighed(y, dy.d);
  });
  on_every_isa_with_pool([&](ThreadPool& pool) {
    Result gx(9, 23), gw(17, 23), gb(1, 17);
    matmul_dx(pool, dy.view(), w.weight(), gx.view());
    matmul_dw(pool, dy.view(), x.view(), gw.view());
    bias_gradient(pool, dy.view(), gb.f.data());
    expect_near_twin("matmul dx", gx.f, dx);
    expect_near_twin("matmul dw", gw.f, dw);
    expect_near_twin("bias", gb.f, db);
  });
}

TEST(DoubleGradients, RmsNorm) {
  constexpr float kEpsilon = 1e-5f;
  TestValues values(12);
  const Drawn x(values, 7, 37, 2.0f), w(values, 1, 37), dy(values, 7, 37);
  const auto wanted = twin::rms_norm_backward(x.d, w.d, double{kEpsilon}, dy.d);
  expect_slopes("rms_norm", {x.d, w.d}, {wanted.dx, wanted.dw}, [&](const std::vector<Matrix>& in) { return weighed(twin::rms_norm(in[0], in[1], double{kEpsilon}), dy.d); });
  on_every_isa_with_pool([&](ThreadPool& pool) {
    Result y(7, 37), dx(7, 37), dw(1, 37), rstd(1, 7);
    rms_norm(pool, x.view(), w.weight(), kEpsilon, y.view(), rstd.f.data());
    rms_norm_backward(pool, x.view(), w.weight(), rstd.f.data(), dy.view(), dx.view(), dw.f.data());
    expect_near_twin("rms_norm dx", dx.f, wanted.dx);
    expect_near_twin("rms_norm dweight", dw.f, wanted.dw);
  });
}

TEST(DoubleGradients, Rope) {
  TestValues values(13);
  const Drawn x(values, 6, 24), dy(values, 6, 24);
  const Floats frequencies = {1.0f, 0.3f, 0.05f};   // half 3 of a head of 8: two values pass unturned
  const RopeTable table = make_rope_table(frequencies, 40, 1.1f);
  const std::vector<int32_t> positions = {0, 1, 2, 17, 38, 39};
  const Matrix wanted = twin::rope(dy.d, 8, table, positions, true);
  expect_slopes("rope", {x.d}, {wanted}, [&](const std::vector<Matrix>& in) { return weighed(twin::rope(in[0], 8, table, positions, false), dy.d); });
  on_every_isa_with_pool([&](ThreadPool& pool) {
    Floats dx = dy.f;
    rope(pool, {dx.data(), 6, 24}, 8, table, positions, Turn::inverse);
    expect_near_twin("rope", dx, wanted);
  });
}

TEST(DoubleGradients, SiluMul) {
  TestValues values(14);
  const Drawn gate(values, 5, 41, 6.0f), up(values, 5, 41, 2.0f), dy(values, 5, 41);
  const auto wanted = twin::silu_mul_backward(gate.d, up.d, dy.d);
  expect_slopes("silu_mul", {gate.d, up.d}, {wanted.dgate, wanted.dup}, [&](const std::vector<Matrix>& in) { return weighed(twin::silu_mul(in[0], in[1]), dy.d); });
  on_every_isa_with_pool([&](ThreadPool& pool) {
    Result dgate(5, 41), dup(5, 41);
    silu_mul_backward(pool, gate.view(), up.view(), dy.view(), dgate.view(), dup.view());
    expect_near_twin("silu_mul dgate", dgate.f, wanted.dgate);
    expect_near_twin("silu_mul dup", dup.f, wanted.dup);
  });
}

void check_attention(const AttentionShape& shape, const std::vector<uint32_t>& documents) {
  TestValues values(15);
  const size_t rows = documents.back(), wide = shape.heads * shape.head_dim, narrow = shape.kv_heads * shape.head_dim;
  const Drawn q(values, rows, wide), k(values, rows, narrow), v(values, rows, narrow), dy(values, rows, wide);
  const auto wanted = twin::attention_backward(shape, documents, q.d, k.d, v.d, dy.d);
  expect_slopes("attention", {q.d, k.d, v.d}, {wanted.dq, wanted.dk, wanted.dv},
                [&](const std::vector<Matrix>& in) { return weighed(twin::attention(shape, documents, in[0], in[1], in[2]), dy.d); });
  on_every_isa_with_pool([&](ThreadPool& pool) {
    Result out(rows, wide), dq(rows, wide), dk(rows, narrow), dv(rows, narrow);
    Floats log_sum_exp(rows * shape.heads);
    attention(pool, shape, documents, q.view(), k.view(), v.view(), out.view(), log_sum_exp.data());
    attention_backward(pool, shape, documents, q.view(), k.view(), v.view(), out.view(), log_sum_exp.data(), dy.view(), dq.view(), dk.view(), dv.view());
    expect_near_twin("attention dq", dq.f, wanted.dq);
    expect_near_twin("attention dk", dk.f, wanted.dk);
    expect_near_twin("attention dv", dv.f, wanted.dv);
  });
}

TEST(DoubleGradients, AttentionOfPackedDocumentsWithGroupedHeads) { check_attention({.heads = 4, .kv_heads = 2, .head_dim = 6, .scale = 0.4f, .window = 0}, {0, 7, 8, 13}); }
TEST(DoubleGradients, AttentionWithAWindow) { check_attention({.heads = 2, .kv_heads = 1, .head_dim = 8, .scale = 0.35f, .window = 3}, {0, 9, 14}); }

TEST(DoubleGradients, CrossEntropy) {
  TestValues values(16);
  const Drawn logits(values, 6, 53, 5.0f);
  std::vector<int32_t> labels = {3, 52, kIgnoredLabel, 0, 17, 3};
  Matrix wanted;
  twin::cross_entropy(logits.d, labels, &wanted);
  expect_slopes("cross_entropy", {logits.d}, {wanted}, [&](const std::vector<Matrix>& in) { return twin::cross_entropy(in[0], labels); });
  on_every_isa_with_pool([&](ThreadPool& pool) {
    Floats slopes = logits.f, losses(6);
    cross_entropy_backward(pool, {slopes.data(), 6, 53}, labels, 1.0f, losses.data());
    expect_near_twin("cross_entropy", slopes, wanted);
  });
}

TEST(DoubleGradients, Embedding) {
  TestValues values(17);
  const Drawn table(values, 11, 19), dy(values, 8, 19);
  const std::vector<int32_t> ids = {3, 0, 3, 10, 7, 3, 0, 1};
  const Matrix wanted = twin::embed_backward(ids, dy.d, 11);
  expect_slopes("embedding", {table.d}, {wanted}, [&](const std::vector<Matrix>& in) { return weighed(twin::embed(in[0], ids), dy.d); });
  on_every_isa_with_pool([&](ThreadPool& pool) {
    Result d(11, 19);
    embed_backward(pool, ids, dy.view(), d.view());
    expect_near_twin("embedding", d.f, wanted);
  });
}

}  // namespace
}  // namespace lyceum::kernels
