// The trainer against PyTorch, transformers and PEFT: tests/goldens/tuning/make_goldens.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/files.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "models/load.h"
#include "tuning/model/network.h"
#include "tuning/trainer.h"
#include "tuning/write/adapter_writer.h"

namespace lyceum::tuning {
namespace {

const fs::path kGoldens = fs::path(LYCEUM_SOURCE_DIR) / "tests/goldens/tuning";

std::vector<float> floats_of(const formats::SafetensorsFile& file, const formats::SafetensorsTensor& tensor) {
  std::vector<float> out(tensor.elements());
  std::memcpy(out.data(), file.bytes(tensor).data(), out.size() * sizeof(float));
  return out;
}

std::vector<Sample> samples_of(const json::object& expected) {
  std::vector<Sample> samples;
  for (const json::value& item : expected.at("samples").as_array()) {
    Sample& sample = samples.emplace_back();
    sample.ids = json::value_to<std::vector<int32_t>>(item.at("ids"));
    sample.labelled = json::value_to<std::vector<uint8_t>>(item.at("labelled"));
  }
  return samples;
}

json::object load_expected(const fs::path& folder) { return parse_json(read_file(folder / "expected.json"), "expected.json").as_object(); }

// |a - b| / |b| over all values.
double relative_distance(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    norm += double{b[i]} * b[i];
  }
  return std::sqrt(difference / norm);
}

class FixedSamples final : public SampleSource {
 public:
  explicit FixedSamples(std::vector<Sample> samples) : samples_(std::move(samples)) {}
  size_t count() const override { return samples_.size(); }
  Sample make(size_t index, uint64_t) const override { return samples_[index]; }

 private:
  std::vector<Sample> samples_;
};

class Gradients : public testing::TestWithParam<const char*> {};

TEST_P(Gradients, AgreeWithPyTorchInDouble) {
  const fs::path folder = kGoldens / "gradients" / GetParam();
  const json::object expected = load_expected(folder);
  const auto model = make_full_model(*models::load_decoder(folder));
  ThreadPool pool(2);
  Network network(*model, pool, {.head_chunk_rows = 16, .positions_max = 64});
  Batch batch;
  for (const Row& row : pack_rows(samples_of(expected), {.sequence_length = 64})) append_row(batch, row);
  const double loss = network.forward_backward(batch, 1.0f, 0);
  EXPECT_NEAR(loss / expected.at("loss_sum").to_number<double>(), 1.0, 1e-5);

  const formats::SafetensorsFile file(folder / "expected.safetensors");
  EXPECT_EQ(file.header().tensors.size(), model->parameters.size());
  for (const Parameter& parameter : model->parameters) {
    const auto* tensor = file.header().find(parameter.name);
    ASSERT_NE(tensor, nullptr) << parameter.name;
    // A bias of k has no effect on softmax beyond rounding of the rotation, so its true gradient is nearly zero.
    const std::vector<float> wanted = floats_of(file, *tensor);
    double size = 0;
    for (const float value : wanted) size = std::max(size, std::abs(double{value}));
    if (size <= 1e-3) continue;
    EXPECT_LT(relative_distance(parameter.gradient, wanted), 2e-5) << parameter.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Switches, Gradients, testing::Values("llama_gqa", "llama_tied", "qwen2_bias", "qwen3_qk_norm", "mistral_window"));

class LoraRun : public testing::TestWithParam<const char*> {};

TEST_P(LoraRun, FiftyStepsAgreeWithPeft) {
  const fs::path folder = kGoldens / "lora" / GetParam();
  const json::object expected = load_expected(folder);
  const auto model = make_lora_model(models::load_decoder(folder / "base"), {.r = 4, .alpha = 8});
  read_adapter(folder / "initial", *model);
  RowStream rows(std::make_shared<FixedSamples>(samples_of(expected)), {.sequence_length = 64, .shuffle = false});
  ThreadPool pool(2);
  const auto steps = expected.at("steps").to_number<uint64_t>();
  TrainOptions options;
  options.schedule = {.kind = ScheduleKind::cosine, .peak = 2e-3, .warmup_steps = 5, .total_steps = steps};
  options.rows_per_batch = expected.at("rows_per_batch").to_number<size_t>();
  options.accumulation = expected.at("accumulation").to_number<size_t>();
  options.weight_decay = 0.01;
  options.network.positions_max = 64;
  Trainer trainer(*model, rows, pool, options);
  double worst = 0;
  for (uint64_t i = 0; i < steps; ++i) {
    const StepReport report = trainer.step();
    EXPECT_NEAR(report.learning_rate, expected.at("rates").at(i).to_number<double>(), 1e-12);
    EXPECT_NEAR(report.gradient_norm / expected.at("norms").at(i).to_number<double>(), 1.0, 1e-3);
    worst = std::max(worst, std::abs(report.loss / expected.at("losses").at(i).to_number<double>() - 1.0));
  }
  EXPECT_LT(worst, 1e-4);
  RecordProperty("worst_relative_loss_difference", std::to_string(worst));

  const formats::SafetensorsFile file(folder / "final.safetensors");
  double furthest = 0;
  for (const Parameter& parameter : model->parameters) {
    const auto* tensor = file.header().find("base_model.model." + parameter.name);
    ASSERT_NE(tensor, nullptr) << parameter.name;
    furthest = std::max(furthest, relative_distance(parameter.value, floats_of(file, *tensor)));
  }
  EXPECT_LT(furthest, 1e-3);
  std::printf("%s: losses within %.1e, adapter within %.1e\n", GetParam(), worst, furthest);
}

INSTANTIATE_TEST_SUITE_P(Models, LoraRun, testing::Values("llama_gqa", "qwen2_bias"));

}  // namespace
}  // namespace lyceum::tuning
