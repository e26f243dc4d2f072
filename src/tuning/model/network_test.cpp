#include "base/source_dir.h"
#include "tuning/model/network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/error.h"
#include "base/random.h"
#include "models/load.h"
#include "tuning/data/pack.h"
#include "tuning/model/embedding_noise.h"
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
    const auto decoder = models::load_decoder(std::filesystem::path(kSourceDir) / "tests/goldens/models/cases" / name);
    try {
      make_lora_model(decoder, {});
      ADD_FAILURE() << name << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::unsupported);
      EXPECT_NE(std::string(error.what()).find(decoder->config.architecture + " runs but cannot be trained"), std::string::npos) << error.what();
    }
  }
}

// Central difference of `loss` along a random direction of one parameter, against the gradient's projection on it.
void expect_slope_agrees(TrainModel& model, Parameter& parameter, uint64_t seed, const std::function<double()>& loss) {
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
    const double there = loss();
    parameter.value = saved;
    return there;
  };
  // Fourth-order stencil: the truncation error falls below the rounding of float32 losses.
  const double near = loss_at(kStep) - loss_at(-kStep), far = loss_at(2 * kStep) - loss_at(-2 * kStep);
  const double slope = (8 * near - far) / (12.0 * kStep);
  EXPECT_NEAR(slope, projected, 2e-2 * std::abs(projected) + 4e-3) << parameter.name << " of " << model.config.architecture;
}

void expect_slope_agrees(TrainModel& model, Network& network, const Batch& batch, Parameter& parameter, uint64_t seed) {
  expect_slope_agrees(model, parameter, seed, [&] { return network.loss(batch); });
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

std::unique_ptr<TrainModel> filled_adapter_model(const TinyModel& tiny, const LoraOptions& options) {
  const auto decoder = models::make_decoder(tiny.config);
  const auto full = make_full_model(*decoder);
  fill_for_test(*full, 1);
  copy_into(*decoder, *full);
  auto model = make_lora_model(decoder, options);
  fill_for_test(*model, 4);
  for (DoraScale& dora : model->dora_scales) {   // about the rows' lengths, as in training
    for (size_t row = 0; row < dora.norms.size(); ++row) dora.magnitude->value[row] = static_cast<float>(std::sqrt(dora.square_norms[row])) * (1.0f + dora.magnitude->value[row]);
  }
  return model;
}

// Layers below the lowest adapted one are not gone through backwards, and nothing is lost by it: fresh pairs below change nothing.
TEST_P(EveryModel, GradientsAboveAreTheSameWhenNothingBelowIsTrained) {
  const auto decoder = models::make_decoder(GetParam().config);
  const auto full = make_full_model(*decoder);
  fill_for_test(*full, 1);
  copy_into(*decoder, *full);
  const LoraOptions everywhere = {.r = 3, .alpha = 6};
  ThreadPool pool(2);
  const Batch batch = packed(samples_for_test(full->config.vocab, 2));
  const auto gradients = [&](const LoraOptions& options) {
    const auto model = make_lora_model(decoder, options);
    Network network(*model, pool, {.positions_max = 64});
    network.forward_backward(batch, 1.0f, 0);
    std::map<std::string, std::vector<float>> out;
    for (const Parameter& parameter : model->parameters) out[parameter.name] = parameter.gradient;
    return out;
  };
  const auto all = gradients(everywhere);
  for (const auto& [targets, layers] : {std::pair{std::vector<std::string>{}, std::vector<uint64_t>{1}}, std::pair{std::vector<std::string>{"down_proj"}, std::vector<uint64_t>{0, 1}},
                                        std::pair{std::vector<std::string>{"o_proj"}, std::vector<uint64_t>{1}}, std::pair{std::vector<std::string>{"v_proj"}, std::vector<uint64_t>{0}}}) {
    const auto some = gradients({.r = 3, .alpha = 6, .layers = layers, .targets = targets});
    EXPECT_LT(some.size(), all.size());
    for (const auto& [name, values] : some) EXPECT_EQ(values, all.at(name)) << name;
  }
}

TEST(LoraPatterns, GiveModulesTheirRankAndScale) {
  const auto decoder = models::make_decoder(kTinyModels[0].config);
  const LoraOptions options = {.r = 4, .alpha = 8, .rank_pattern = {{"q_proj", 2}, {"layers.1.mlp.down_proj", 6}}, .alpha_pattern = {{"q_proj", 3}}, .excluded = {"k_proj"}};
  const auto model = make_lora_model(decoder, options);
  EXPECT_EQ(model->layers[0].q.lora->a->rows, 2u);
  EXPECT_FLOAT_EQ(model->layers[0].q.lora->scale, 1.5f);
  EXPECT_EQ(model->layers[0].down.lora->a->rows, 4u);
  EXPECT_EQ(model->layers[1].down.lora->b->columns, 6u);
  EXPECT_FALSE(model->layers[1].k.lora.has_value());
  EXPECT_THROW(make_lora_model(decoder, {.rank_pattern = {{"qkv", 2}}}), Error);
  EXPECT_THROW(make_lora_model(decoder, {.rank_pattern = {{"q_proj", 2}, {"self_attn.q_proj", 3}}}), Error);
  EXPECT_THROW(make_lora_model(decoder, {.layers = {2}}), Error);
}

// The KL term is held constant in the gradient.
TEST_P(EveryModel, KtoGradientsAgreeWithFiniteDifferences) {
  const auto model = filled_adapter_model(GetParam(), {.r = 3, .alpha = 6});
  ThreadPool pool(1);
  Network network(*model, pool, {.positions_max = 64});
  Batch batch = packed(samples_for_test(model->config.vocab, 2));
  batch.segments[1].desirable = false;
  const PreferenceOptions options = {.loss = PreferenceLoss::kto, .beta = 0.05, .desirable_weight = 1.2, .undesirable_weight = 0.8};
  clear_gradients(*model);
  network.examples_forward_backward(batch, options, 0.3, 1.0f, 0);
  for (Parameter& parameter : model->parameters) {
    expect_slope_agrees(*model, parameter, 5, [&] { return network.examples_loss(batch, options, 0.3).loss; });
  }
}

// The differences keep the row lengths that the Network took: PEFT holds them constant in the gradient.
TEST_P(EveryModel, DoraGradientsAgreeWithFiniteDifferences) {
  const auto model = filled_adapter_model(GetParam(), {.r = 3, .alpha = 6, .dora = true});
  ThreadPool pool(1);
  Network network(*model, pool, {.positions_max = 64});
  const Batch batch = packed(samples_for_test(model->config.vocab, 2));
  clear_gradients(*model);
  network.forward_backward(batch, 1.0f, 0);
  for (Parameter& parameter : model->parameters) expect_slope_agrees(*model, network, batch, parameter, 5);
}

TEST_P(EveryModel, GradientsUnderDropoutAgreeWithFiniteDifferences) {
  for (const bool dora : {false, true}) {
    const auto model = filled_adapter_model(GetParam(), {.r = 3, .alpha = 6, .dropout = 0.25f, .dora = dora});
    ThreadPool pool(1);
    Network network(*model, pool, {.positions_max = 64});
    const Batch batch = packed(samples_for_test(model->config.vocab, 2));
    clear_gradients(*model);
    network.forward_backward(batch, 1.0f, 77);
    const std::vector<float> gradients = all_gradients(*model);
    // The loss under the same mask; its gradients pile up unused.
    std::vector<std::vector<float>> kept;
    for (const Parameter& parameter : model->parameters) kept.push_back(parameter.gradient);
    for (size_t i = 0; i < model->parameters.size(); ++i) {
      model->parameters[i].gradient = kept[i];
      expect_slope_agrees(*model, model->parameters[i], 5, [&] { return network.forward_backward(batch, 0.0f, 77); });
    }
  }
}

TEST(EmbeddingNoise, IsEvenWithinItsBoundAndTheSameForAnyThreads) {
  constexpr size_t kTokens = 600, kHidden = 32;
  const std::vector<Segment> segments = {{0, 100}, {100, 600}};
  std::vector<float> noise(kTokens * kHidden), again = noise;
  ThreadPool one(1), three(3);
  add_embedding_noise(one, {noise.data(), kTokens, kHidden}, segments, 5, 77);
  add_embedding_noise(three, {again.data(), kTokens, kHidden}, segments, 5, 77);
  EXPECT_EQ(noise, again);
  for (const Segment& segment : segments) {
    const double bound = 5 / std::sqrt(static_cast<double>(segment.end - segment.begin) * kHidden);
    double sum = 0, squares = 0, largest = 0;
    for (size_t i = segment.begin * kHidden; i < segment.end * kHidden; ++i) {
      sum += noise[i], squares += double{noise[i]} * noise[i];
      largest = std::max(largest, std::abs(double{noise[i]}));
    }
    const auto count = static_cast<double>((segment.end - segment.begin) * kHidden);
    EXPECT_LE(largest, bound * (1 + 1e-6));
    EXPECT_GT(largest, bound * 0.99);
    EXPECT_NEAR(sum / count, 0, 0.03 * bound);
    EXPECT_NEAR(squares / count, bound * bound / 3, 0.02 * bound * bound);   // the variance of an even distribution
  }
}

// Noise only where gradients are taken; the gradients are those of the noisy pass.
TEST_P(EveryModel, GradientsUnderEmbeddingNoiseAgreeWithFiniteDifferences) {
  const auto model = filled_adapter_model(GetParam(), {.r = 3, .alpha = 6});
  ThreadPool pool(1);
  Network plain(*model, pool, {.positions_max = 64}), noisy(*model, pool, {.embedding_noise = 5, .positions_max = 64});
  const Batch batch = packed(samples_for_test(model->config.vocab, 2));
  EXPECT_EQ(noisy.loss(batch), plain.loss(batch));
  clear_gradients(*model);
  EXPECT_NE(noisy.forward_backward(batch, 1.0f, 77), plain.loss(batch));
  const std::vector<float> gradients = all_gradients(*model);
  size_t at = 0;
  for (Parameter& parameter : model->parameters) {
    parameter.gradient.assign(gradients.begin() + static_cast<ptrdiff_t>(at), gradients.begin() + static_cast<ptrdiff_t>(at + parameter.size()));
    at += parameter.size();
    expect_slope_agrees(*model, parameter, 5, [&] { return noisy.forward_backward(batch, 0.0f, 77); });
  }
}

// The gradients do not depend on the number of threads, nor on whether the forward pass is run again.
void expect_same_bytes(TrainModel& model, std::initializer_list<unsigned> thread_counts) {
  const Batch batch = packed(samples_for_test(model.config.vocab, 2));
  std::vector<std::vector<float>> results;
  for (const unsigned threads : thread_counts) {
    for (const bool recompute : {false, true}) {
      ThreadPool pool(threads);
      Network network(model, pool, {.recompute = recompute, .positions_max = 64});
      clear_gradients(model);
      network.forward_backward(batch, 0.5f, 7);
      results.push_back(all_gradients(model));
    }
  }
  for (const auto& result : results) EXPECT_EQ(result, results[0]);
}

TEST_P(EveryModel, DoraIsTheSameBytesWithThreadsAndWithRecompute) {
  expect_same_bytes(*filled_adapter_model(GetParam(), {.r = 3, .alpha = 6, .dropout = 0.25f, .dora = true}), {1, 3});
}

// B is zero and the magnitude the rows' lengths: nothing has changed yet.
TEST_P(EveryModel, FreshDoraIsTheBase) {
  const auto decoder = models::make_decoder(GetParam().config);
  const auto full = make_full_model(*decoder);
  fill_for_test(*full, 1);
  copy_into(*decoder, *full);
  const auto model = make_lora_model(decoder, {.r = 3, .dora = true});
  ThreadPool pool(2);
  Network base(*full, pool, {.positions_max = 64}), adapted(*model, pool, {.positions_max = 64});
  const Batch batch = packed(samples_for_test(model->config.vocab, 2));
  const double wanted = base.loss(batch);
  EXPECT_NEAR(adapted.loss(batch), wanted, 1e-5 * wanted);
}

std::vector<Sample> pairs_for_test(size_t vocab) {
  std::vector<Sample> pairs;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    const auto samples = samples_for_test(vocab, 20 + seed);
    Sample& pair = pairs.emplace_back(samples[seed % 2]);
    for (uint8_t& label : pair.labelled) label = label == 0 && seed == 1 ? 2 : label;   // learned, but not compared
    pair.split = pair.ids.size();
    pair.ids.insert(pair.ids.end(), samples[2].ids.begin(), samples[2].ids.end());
    pair.labelled.insert(pair.labelled.end(), samples[2].labelled.begin(), samples[2].labelled.end());
  }
  return pairs;
}

TEST_P(EveryModel, PreferenceGradientsAgreeWithFiniteDifferences) {
  for (const bool dora : {false, true}) {
    const auto model = filled_adapter_model(GetParam(), {.r = 3, .alpha = 6, .dora = dora});
    for (Parameter& parameter : model->parameters) {   // near the base, where the loss is not flat
      if (parameter.name.ends_with("lora_B.weight")) for (float& value : parameter.value) value *= 0.1f;
    }
    ThreadPool pool(1);
    Network network(*model, pool, {.head_chunk_rows = 5, .positions_max = 64});
    const Batch batch = packed(pairs_for_test(model->config.vocab));
    for (const PreferenceOptions& options : {PreferenceOptions{.beta = 0.2, .label_smoothing = 0.1}, PreferenceOptions{.loss = PreferenceLoss::orpo, .beta = 0.8}}) {
      const float token_scale = options.loss == PreferenceLoss::orpo ? 0.1f : 0.0f;
      clear_gradients(*model);
      network.preference_forward_backward(batch, options, 1.0f, 0, token_scale);
      std::vector<std::vector<float>> kept;
      for (const Parameter& parameter : model->parameters) kept.push_back(parameter.gradient);
      for (size_t i = 0; i < model->parameters.size(); ++i) {
        model->parameters[i].gradient = kept[i];
        expect_slope_agrees(*model, model->parameters[i], 5, [&] {
          const PreferenceSums sums = network.preference_forward_backward(batch, options, 0.0f, 0);
          return sums.loss + double{token_scale} * sums.nll;
        });
      }
    }
  }
}

TEST_P(EveryModel, PackedPairsAreTheSumOfSinglePairsForAnyThreads) {
  const auto model = filled_adapter_model(GetParam(), {.r = 3, .alpha = 6, .dropout = 0.0f});
  const auto pairs = pairs_for_test(model->config.vocab);
  std::vector<std::vector<float>> gradients;
  PreferenceSums together, apart;
  for (const unsigned threads : {1u, 3u}) {
    ThreadPool pool(threads);
    Network network(*model, pool, {.positions_max = 64});
    clear_gradients(*model);
    together = network.preference_forward_backward(packed(pairs), {}, 1.0f, 0);
    gradients.push_back(all_gradients(*model));
    if (threads > 1) continue;
    clear_gradients(*model);
    for (const Sample& pair : pairs) apart.add(network.preference_forward_backward(packed({pair}), {}, 1.0f, 0));
    double difference = 0, size = 0;
    const std::vector<float> single = all_gradients(*model);
    for (size_t i = 0; i < single.size(); ++i) {
      difference += std::pow(double{single[i]} - gradients[0][i], 2);
      size += std::pow(double{single[i]}, 2);
    }
    EXPECT_LT(std::sqrt(difference / size), 1e-5);
  }
  EXPECT_EQ(gradients[0], gradients[1]);
  EXPECT_EQ(together.pairs, 3u);
  EXPECT_NEAR(together.loss, apart.loss, 1e-5 * apart.loss);
  EXPECT_NEAR(together.chosen_logp, apart.chosen_logp, 1e-4 * std::abs(apart.chosen_logp));
}

// A fresh adapter changes nothing, so the model is its own reference: the reference pass must be the base, to the bit.
TEST_P(EveryModel, FreshAdapterHasNoRewardAndALossOfLogTwo) {
  const auto model = make_lora_model(models::make_decoder(GetParam().config), {.r = 3});
  ThreadPool pool(2);
  Network network(*model, pool, {.positions_max = 64});
  const PreferenceSums sums = network.preference_forward_backward(packed(pairs_for_test(model->config.vocab)), {}, 1.0f, 0);
  EXPECT_EQ(sums.chosen_reward, 0.0);
  EXPECT_EQ(sums.rejected_reward, 0.0);
  EXPECT_NEAR(sums.loss / 3, std::log(2.0), 1e-12);
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
  expect_same_bytes(*model, {1, 2, 3});
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
