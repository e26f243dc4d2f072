#include "tuning/trainer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/random.h"
#include "models/load.h"
#include "tuning/model/tiny_models.h"

namespace lyceum::tuning {
namespace {

class RandomSamples final : public SampleSource {
 public:
  size_t count() const override { return 40; }
  Sample make(size_t index, uint64_t) const override {
    Rng rng(index);
    Sample sample;
    for (size_t i = 0, length = 5 + rng.below(20); i < length; ++i) sample.ids.push_back(static_cast<int32_t>(rng.below(61)));
    sample.labelled.assign(sample.ids.size(), 1);
    return sample;
  }
};

struct Outcome {
  std::vector<double> losses;
  std::vector<float> values;
};

Outcome train(size_t rows_per_batch, size_t accumulation, unsigned threads, size_t steps) {
  const auto decoder = models::make_decoder(kTinyModels[0].config);
  const auto model = make_random_model(*decoder, 5);
  RowStream rows(std::make_shared<RandomSamples>(), {.sequence_length = 32, .seed = 3});
  ThreadPool pool(threads);
  TrainOptions options;
  options.schedule = {.kind = ScheduleKind::linear, .peak = 1e-2, .total_steps = steps};
  options.rows_per_batch = rows_per_batch;
  options.accumulation = accumulation;
  options.network.positions_max = 32;
  Trainer trainer(*model, rows, pool, options);
  Outcome out;
  for (size_t i = 0; i < steps; ++i) out.losses.push_back(trainer.step().loss);
  for (const Parameter& parameter : model->parameters) out.values.insert(out.values.end(), parameter.value.begin(), parameter.value.end());
  return out;
}

TEST(Trainer, AccumulationGivesTheResultOfOneLargeBatch) {
  const Outcome large = train(8, 1, 1, 10), small = train(1, 8, 1, 10);
  for (size_t i = 0; i < large.losses.size(); ++i) EXPECT_NEAR(large.losses[i], small.losses[i], 1e-4 * large.losses[i]) << "step " << i;
}

TEST(Trainer, GivesTheSameBytesForAnyThreads) {
  const Outcome one = train(4, 2, 1, 12), two = train(4, 2, 2, 12), three = train(4, 2, 3, 12);
  EXPECT_EQ(one.values, two.values);
  EXPECT_EQ(one.values, three.values);
}

TEST(Trainer, LossFalls) {
  const Outcome outcome = train(8, 1, 2, 80);
  EXPECT_LT(outcome.losses.back(), outcome.losses.front() - 0.5);
}

TEST(Schedule, StableDecayKeepsThePeakUntilTheLastSteps) {
  const Schedule schedule = {.kind = ScheduleKind::stable_decay, .peak = 1.0, .warmup_steps = 10, .total_steps = 100, .decay_steps = 20, .floor_ratio = 0.1};
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 5), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 79), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 90), 0.55);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 100), 0.1);
}

TEST(RowStream, SourceWithoutLabelsIsRefused) {
  class Unlabelled final : public SampleSource {
   public:
    size_t count() const override { return 3; }
    Sample make(size_t, uint64_t) const override { return {.ids = {1, 2, 3}, .labelled = {0, 0, 0}}; }
  };
  EXPECT_THROW(RowStream(std::make_shared<Unlabelled>(), {.sequence_length = 8}), Error);
}

TEST(RowStream, CursorFindsTheSameRowAgain) {
  const PackOptions options = {.sequence_length = 32, .seed = 9};
  RowStream first(std::make_shared<RandomSamples>(), options);
  for (int i = 0; i < 37; ++i) first.next();
  RowStream second(std::make_shared<RandomSamples>(), options, first.cursor());
  for (int i = 0; i < 30; ++i) EXPECT_EQ(first.next().ids, second.next().ids);
}

TEST(PackRows, TargetsNeverCrossASampleBorder) {
  const auto rows = pack_rows({{.ids = {1, 2, 3}, .labelled = {1, 1, 1}}, {.ids = {4, 5}, .labelled = {1, 1}}}, {.sequence_length = 8});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].targets, (std::vector<int32_t>{2, 3, kNoTarget, 5, kNoTarget}));
  Batch batch;
  append_row(batch, rows[0]);
  EXPECT_EQ(batch.positions, (std::vector<int32_t>{0, 1, 2, 0, 1}));
}

}  // namespace
}  // namespace lyceum::tuning
