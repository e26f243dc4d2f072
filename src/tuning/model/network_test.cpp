#include "tuning/model/network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "models/load.h"
#include "tuning/data/pack.h"
#include "tuning/model/tiny_models.h"

namespace lyceum::tuning {
namespace {

Batch packed(const std::vector<Sample>& samples) {
  Batch batch;
  for (const Row& row : pack_rows(samples, {.sequence_length = 64})) append_row(batch, row);
  return batch;
}

void clear_gradients(TrainModel& model) {
  for (Parameter& parameter : model.parameters) std::fill(parameter.gradient.begin(), parameter.gradient.end(), 0.0f);
}

std::vector<float> all_gradients(const TrainModel& model) {
  std::vector<float> out;
  for (const Parameter& parameter : model.parameters) out.insert(out.end(), parameter.gradient.begin(), parameter.gradient.end());
  return out;
}

TEST(TrainModel, RefusesBlocksThatOnlyTheEngineComputes) {
  for (const std::string name : {"granite", "gemma3", "olmo2", "smollm3", "phi3_window"}) {
    const auto decoder = models::load_decoder(std::filesystem::path(LYCEUM_SOURCE_DIR) / "tests/goldens/models/cases" / name);
    try {
      make_lora_model(decoder, {});
      ADD_FAILURE() << name << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::unsupported);
      EXPECT_NE(std::string(error.what()).find(decoder->config.architecture + " runs but cannot be trained"), std::string::npos) << error.what();
    }
  }
}

// Central difference of the loss along a random direction of one parameter, against the gradient's projection on it.
void expect_slope_agrees(TrainModel& model, Network& network, const Batch& batch, Parameter& parameter, uint64_t seed) {
  constexpr float kStep = 4e-3f;
  Rng rng(seed);
  std::vector<float> direction(parameter.size());
  double norm = 0;
  for (float& value : direction) value = static_cast<float>(rng.normal()), norm += value * value;
  double projected = 0;
  for (size_t i = 0; i < direction.size(); ++i) {
    direction[i] = static_cast<float>(direction[i] / std::sqrt(norm));
    projected += double{direction[i]} * double{parameter.gradient[i]};
  }
  const std::vector<float> saved = parameter.value;
  const auto loss_at = [&](float distance) {
    for (size_t i = 0; i < saved.size(); ++i) parameter.value[i] = saved[i] + distance * direction[i];
    const double loss = network.loss(batch);
    parameter.value = saved;
    return loss;
  };
  // Fourth-order stencil: the truncation error falls below the rounding of float32 losses.
  const double near = loss_at(kStep) - loss_at(-kStep), far = loss_at(2 * kStep) - loss_at(-2 * kStep);
  const double slope = (8 * near - far) / (12.0 * kStep);
  EXPECT_NEAR(slope, projected, 2e-2 * std::abs(projected) + 4e-3) << parameter.name << " of " << model.config.architecture;
}

void copy_into(models::Decoder& decoder, const TrainModel& model) {
  for (const models::MutableWeight& weight : models::mutable_weights(decoder)) {
    const auto same_name = [&](const Parameter& parameter) { return parameter.name == weight.name; };
    const auto found = std::find_if(model.parameters.begin(), model.parameters.end(), same_name);
    ASSERT_NE(found, model.parameters.end()) << weight.name;
    ASSERT_EQ(found->size(), weight.values.size());
    std::copy(found->value.begin(), found->value.end(), weight.values.begin());
  }
}

class EveryModel : public testing::TestWithParam<TinyModel> {};

TEST_P(EveryModel, GradientsAgreeWithFiniteDifferences) {
  const auto decoder = models::make_decoder(GetParam().config);
  const auto model = make_full_model(*decoder);
  fill_for_test(*model, 1);
  ThreadPool pool(1);
  Network network(*model, pool, {.head_chunk_rows = 4, .positions_max = 64});
  const Batch batch = packed(samples_for_test(model->config.vocab, 2));
  clear_gradients(*model);
  network.forward_backward(batch, 1.0f, 0);
  for (Parameter& parameter : model->parameters) expect_slope_agrees(*model, network, batch, parameter, 3);
}

TEST_P(EveryModel, LoraGradientsAgreeWithFiniteDifferences) {
  const auto decoder = models::make_decoder(GetParam().config);
  const auto full = make_full_model(*decoder);
  fill_for_test(*full, 1);
  copy_into(*decoder, *full);
  const auto model = make_lora_model(decoder, {.r = 3, .alpha = 6});
  fill_for_test(*model, 4);
  ThreadPool pool(1);
  Network network(*model, pool, {.positions_max = 64});
  const Batch batch = packed(samples_for_test(model->config.vocab, 2));
  clear_gradients(*model);
  network.forward_backward(batch, 1.0f, 0);
  for (Parameter& parameter : model->parameters) expect_slope_agrees(*model, network, batch, parameter, 5);
}

TEST_P(EveryModel, PackedLossIsTheSumOfSingleLosses) {
  const auto decoder = models::make_decoder(GetParam().config);
  const auto model = make_full_model(*decoder);
  fill_for_test(*model, 1);
  ThreadPool pool(2);
  Network network(*model, pool, {.positions_max = 64});
  const auto samples = samples_for_test(model->config.vocab, 2);
  double single = 0;
  for (const Sample& sample : samples) single += network.loss(packed({sample}));
  EXPECT_NEAR(network.loss(packed(samples)), single, 1e-5 * single);
}

TEST_P(EveryModel, GradientsAreTheSameBytesWithThreadsAndWithRecompute) {
  const auto decoder = models::make_decoder(GetParam().config);
  const auto model = make_full_model(*decoder);
  fill_for_test(*model, 1);
  const Batch batch = packed(samples_for_test(model->config.vocab, 2));
  std::vector<std::vector<float>> results;
  for (const unsigned threads : {1u, 2u, 3u}) {
    for (const bool recompute : {false, true}) {
      ThreadPool pool(threads);
      Network network(*model, pool, {.recompute = recompute, .positions_max = 64});
      clear_gradients(*model);
      network.forward_backward(batch, 0.5f, 7);
      results.push_back(all_gradients(*model));
    }
  }
  for (const auto& result : results) EXPECT_EQ(result, results[0]);
}

INSTANTIATE_TEST_SUITE_P(Switches, EveryModel, testing::ValuesIn(kTinyModels), [](const auto& each) { return std::string(each.param.name); });

TEST(Network, DropoutMaskIsTheSameInBothPassesAndForAnyThreads) {
  const auto decoder = models::make_decoder(kTinyModels[0].config);
  std::vector<std::vector<float>> results;
  for (const unsigned threads : {1u, 2u}) {
    const auto model = make_lora_model(decoder, {.r = 2, .alpha = 4, .dropout = 0.3f});
    fill_for_test(*model, 4);
    ThreadPool pool(threads);
    Network network(*model, pool, {.positions_max = 64});
    network.forward_backward(packed(samples_for_test(model->config.vocab, 2)), 1.0f, 99);
    results.push_back(all_gradients(*model));
  }
  EXPECT_EQ(results[0], results[1]);
}

TEST(LoraModel, TargetThatMatchesNoLayerIsRefusedByName) {
  const auto decoder = models::make_decoder(kTinyModels[0].config);
  try {
    make_lora_model(decoder, {.targets = {"query_key_value"}});
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("query_key_value"), std::string::npos);
  }
}

}  // namespace
}  // namespace lyceum::tuning
