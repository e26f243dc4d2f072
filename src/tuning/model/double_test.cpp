// The whole network's gradients against finite differences in float64: the forward pass is written again over kernels/double_twin.h, from the
// model's description, and its loss is differentiated by central differences (step 1e-5, error below 1e-8). The Network's float32 gradients must
// agree within 5e-5 * max(1, |slope|): what float32 rounding through two layers costs. kernels/double_test.cpp does the same op by op.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/random.h"
#include "kernels/convert.h"
#include "kernels/double_twin.h"
#include "models/load.h"
#include "tuning/data/pack.h"
#include "tuning/model/network.h"
#include "tuning/model/tiny_models.h"

namespace lyceum::tuning {
namespace {

namespace twin = kernels::twin;
using twin::Matrix;

constexpr double kStep = 1e-5, kBound = 5e-5;

class DoubleNetwork {
 public:
  explicit DoubleNetwork(const TrainModel& model) : model_(model) {
    for (const Parameter& parameter : model.parameters) values_[&parameter] = Matrix(parameter.rows, parameter.columns, parameter.value.data());
    rope_ = kernels::make_rope_table(model.config.rope.inverse_frequencies, 64, model.config.rope.attention_scale);
  }
  Matrix& value(const Parameter& parameter) { return values_.at(&parameter); }

  double loss(const Batch& batch) const {
    std::vector<uint32_t> documents = {0};
    for (const Segment& segment : batch.segments) documents.push_back(segment.end);
    Matrix x = twin::embed(weight(model_.embedding), batch.ids);
    for (const TrainLayer& layer : model_.layers) x = layer_forward(layer, x, batch, documents);
    return twin::cross_entropy(linear(model_.head, norm(model_.final_norm, x)), batch.targets);
  }

 private:
  static Matrix widened(const tensor::WeightView& view) {
    std::vector<float> floats(view.rows * view.columns);
    kernels::dequantize(view.dtype, view.data, floats.size(), floats.data());
    return Matrix(view.rows, view.columns, floats.data());
  }
  Matrix weight(const TrainLinear& linear) const { return linear.weight_parameter != nullptr ? values_.at(linear.weight_parameter) : widened(linear.weight); }

  Matrix norm(const TrainNorm& norm, const Matrix& x) const {
    return twin::rms_norm(x, norm.parameter != nullptr ? values_.at(norm.parameter) : widened(norm.weight), double{model_.config.norm_epsilon});
  }

  Matrix linear(const TrainLinear& linear, const Matrix& x) const {
    Matrix y = twin::product(x, weight(linear));
    if (linear.lora) add_pair(*linear.lora, x, y);
    for (size_t i = 0; i < y.v.size(); ++i) {
      const size_t column = i % y.columns;
      if (linear.bias_parameter != nullptr) y.v[i] += values_.at(linear.bias_parameter).v[column];
      else if (linear.bias != nullptr) y.v[i] += double{linear.bias[column]};
    }
    return y;
  }

  // Without dropout. DoRA's row lengths are constants, as in the gradient.
  void add_pair(const LoraPair& pair, const Matrix& x, Matrix& y) const {
    const Matrix low = twin::product(twin::product(x, values_.at(pair.a)), values_.at(pair.b));
    for (size_t i = 0; i < y.v.size(); ++i) {
      y.v[i] += double{pair.scale} * low.v[i];
      const size_t column = i % y.columns;
      if (pair.dora != nullptr) y.v[i] *= values_.at(pair.dora->magnitude).v[column] / double{pair.dora->norms[column]};
    }
  }

  Matrix heads(const TrainNorm& head_norm, Matrix x, const Batch& batch) const {
    const size_t head_dim = model_.config.head_dim, rows = x.rows, columns = x.columns;
    if (!head_norm.weight.empty()) {
      x.rows = rows * columns / head_dim;
      x.columns = head_dim;
      x = norm(head_norm, x);
      x.rows = rows;
      x.columns = columns;
    }
    return twin::rope(x, head_dim, rope_, batch.positions, false);
  }

  Matrix layer_forward(const TrainLayer& layer, const Matrix& x, const Batch& batch, const std::vector<uint32_t>& documents) const {
    const models::DecoderConfig& config = model_.config;
    const kernels::AttentionShape shape{config.heads, config.kv_heads, config.head_dim, 1.0f / std::sqrt(static_cast<float>(config.head_dim)), layer.window};
    const Matrix h1 = norm(layer.input_norm, x);
    const Matrix attended = twin::attention(shape, documents, heads(layer.q_norm, linear(layer.q, h1), batch), heads(layer.k_norm, linear(layer.k, h1), batch), linear(layer.v, h1));
    Matrix middle = linear(layer.o, attended);
    for (size_t i = 0; i < middle.v.size(); ++i) middle.v[i] += x.v[i];
    const Matrix h2 = norm(layer.post_attention_norm, middle);
    Matrix out = linear(layer.down, twin::silu_mul(linear(layer.gate, h2), linear(layer.up, h2)));
    for (size_t i = 0; i < out.v.size(); ++i) out.v[i] += middle.v[i];
    return out;
  }

  const TrainModel& model_;
  std::map<const Parameter*, Matrix> values_;
  kernels::RopeTable rope_;
};

// Six elements of every parameter, and one direction through all of its elements.
void expect_slopes(TrainModel& model, const Batch& batch) {
  ThreadPool pool(1);
  Network network(model, pool, {.head_chunk_rows = 4, .positions_max = 64});
  for (Parameter& parameter : model.parameters) std::fill(parameter.gradient.begin(), parameter.gradient.end(), 0.0f);
  const double loss = network.forward_backward(batch, 1.0f, 0);
  DoubleNetwork exact(model);
  ASSERT_NEAR(loss, exact.loss(batch), kBound * exact.loss(batch));
  Rng rng(9);
  for (const Parameter& parameter : model.parameters) {
    Matrix& value = exact.value(parameter);
    const Matrix start = value;
    const auto expect_along = [&](const std::vector<double>& direction, const std::string& what) {
      double projected = 0;
      for (size_t i = 0; i < direction.size(); ++i) projected += direction[i] * double{parameter.gradient[i]};
      const auto at = [&](double distance) {
        for (size_t i = 0; i < direction.size(); ++i) value.v[i] = start.v[i] + distance * direction[i];
        const double there = exact.loss(batch);
        value = start;
        return there;
      };
      const double slope = (at(kStep) - at(-kStep)) / (2 * kStep);
      ASSERT_NEAR(projected, slope, kBound * std::max(1.0, std::abs(slope))) << parameter.name << " " << what << " of " << model.config.architecture;
    };
    for (int i = 0; i < 6; ++i) {
      std::vector<double> unit(parameter.size());
      const size_t element = rng.below(parameter.size());
      unit[element] = 1;
      expect_along(unit, "element " + std::to_string(element));
    }
    std::vector<double> direction(parameter.size());
    for (double& part : direction) part = rng.normal() / std::sqrt(static_cast<double>(parameter.size()));
    expect_along(direction, "direction");
  }
}

Batch packed_batch(size_t vocab) {
  Batch batch;
  for (const Row& row : pack_rows(samples_for_test(vocab, 2), {.sequence_length = 64})) append_row(batch, row);
  return batch;
}

class EveryDoubleModel : public testing::TestWithParam<TinyModel> {};

TEST_P(EveryDoubleModel, AllParametersAgreeWithFloat64Differences) {
  const auto model = make_full_model(*models::make_decoder(GetParam().config));
  fill_for_test(*model, 1);
  expect_slopes(*model, packed_batch(model->config.vocab));
}

TEST_P(EveryDoubleModel, AdaptersAgreeWithFloat64Differences) {
  for (const bool dora : {false, true}) {
    const auto decoder = models::make_decoder(GetParam().config);
    const auto full = make_full_model(*decoder);
    fill_for_test(*full, 1);
    for (const models::MutableWeight& weight : models::mutable_weights(*decoder)) {
      for (const Parameter& parameter : full->parameters) {
        if (parameter.name == weight.name) std::copy(parameter.value.begin(), parameter.value.end(), weight.values.begin());
      }
    }
    const auto model = make_lora_model(decoder, {.r = 3, .alpha = 6, .dora = dora});
    fill_for_test(*model, 4);
    for (DoraScale& scale : model->dora_scales) {   // about the rows' lengths, as in training
      for (size_t row = 0; row < scale.norms.size(); ++row) scale.magnitude->value[row] = static_cast<float>(std::sqrt(scale.square_norms[row])) * (1.0f + scale.magnitude->value[row]);
    }
    expect_slopes(*model, packed_batch(model->config.vocab));
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, EveryDoubleModel, testing::ValuesIn(kTinyModels), [](const auto& tiny) { return std::string(tiny.param.name); });

}  // namespace
}  // namespace lyceum::tuning
