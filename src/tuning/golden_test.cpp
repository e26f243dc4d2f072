// The trainer against PyTorch, transformers and PEFT: tests/goldens/tuning/make_goldens.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/files.h"
#include "base/json.h"
#include "base/source_dir.h"
#include "formats/safetensors.h"
#include "models/bitsandbytes.h"
#include "models/load.h"
#include "tuning/model/network.h"
#include "tuning/trainer.h"
#include "tuning/write/adapter_writer.h"
#include "tuning/write/model_writer.h"

namespace lyceum::tuning {
namespace {

const fs::path kGoldens = fs::path(kSourceDir) / "tests/goldens/tuning";

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

struct AdapterCase {
  std::string folder, base;
  bool rslora = false, dora = false;
  double loraplus = 1;
  std::vector<std::string> full_modules = {};
  bool patterns = false;   // other ranks and alphas, excluded modules and one layer only
};
LoraOptions options_of(const AdapterCase& each) {
  LoraOptions options = {.r = 4, .alpha = 8, .rslora = each.rslora, .dora = each.dora, .full_modules = each.full_modules};
  if (!each.patterns) return options;
  options.rank_pattern = {{"q_proj", 2}, {"mlp.down_proj", 6}};
  options.alpha_pattern = {{"q_proj", 3}};
  options.excluded = {"k_proj"};
  options.layers = {1};
  return options;
}
fs::path base_of(const AdapterCase& each) { return kGoldens / "lora" / each.base / "base"; }

// The trained adapter against what PEFT and PyTorch ended with.
void expect_final_adapter(const TrainModel& model, const fs::path& folder, double& furthest) {
  const formats::SafetensorsFile file(folder / "final.safetensors");
  for (const Parameter& parameter : model.parameters) {
    const auto* tensor = file.header().find("base_model.model." + parameter.name);
    ASSERT_NE(tensor, nullptr) << parameter.name;
    furthest = std::max(furthest, relative_distance(parameter.value, floats_of(file, *tensor)));
  }
  EXPECT_LT(furthest, 1e-3);
}

// Runs the recorded run's steps; the largest relative difference of a step's loss.
double run_recorded_steps(TrainModel& model, const json::object& expected, double loraplus, double norm_tolerance) {
  RowStream rows(std::make_shared<FixedSamples>(samples_of(expected)), {.sequence_length = 64, .shuffle = false});
  ThreadPool pool(2);
  const auto steps = expected.at("steps").to_number<uint64_t>();
  TrainOptions options;
  options.schedule = {.kind = ScheduleKind::cosine, .peak = 2e-3, .warmup_steps = 5, .total_steps = steps};
  options.rows_per_batch = expected.at("rows_per_batch").to_number<size_t>();
  options.accumulation = expected.at("accumulation").to_number<size_t>();
  options.weight_decay = 0.01;
  options.loraplus_ratio = loraplus;
  options.network.positions_max = 64;
  Trainer trainer(model, rows, pool, options);
  double worst = 0;
  for (uint64_t i = 0; i < steps; ++i) {
    const StepReport report = trainer.step();
    EXPECT_NEAR(report.learning_rate, expected.at("rates").at(i).to_number<double>(), 1e-12);
    EXPECT_NEAR(report.gradient_norm / expected.at("norms").at(i).to_number<double>(), 1.0, norm_tolerance);
    worst = std::max(worst, std::abs(report.loss / expected.at("losses").at(i).to_number<double>() - 1.0));
  }
  return worst;
}

TrainOptions recorded_options(const json::object& expected) {
  TrainOptions options;
  options.schedule = {.kind = ScheduleKind::cosine, .peak = 2e-3, .warmup_steps = 5, .total_steps = 50};
  options.rows_per_batch = expected.at("rows_per_batch").to_number<size_t>();
  options.accumulation = expected.at("accumulation").to_number<size_t>();
  options.weight_decay = 0.01;
  options.network.positions_max = 64;
  return options;
}

// Of the parameters that the file holds.
double furthest_parameter(const TrainModel& model, const fs::path& folder) {
  const formats::SafetensorsFile file(folder / "final.safetensors");
  double furthest = 0;
  size_t compared = 0;
  for (const Parameter& parameter : model.parameters) {
    const auto* tensor = file.header().find(parameter.name);
    if (tensor == nullptr) continue;
    furthest = std::max(furthest, relative_distance(parameter.value, floats_of(file, *tensor)));
    ++compared;
  }
  EXPECT_GE(compared, 9u);
  return furthest;
}

// 8-bit AdamW's moments of one matrix after the first step: bitsandbytes' bytes, but where another rounding of a gradient is next to a border.
void expect_codes(const TrainModel& model, const formats::SafetensorsFile& file) {
  const auto down = std::ranges::find(model.parameters, "model.layers.0.mlp.down_proj.weight", &Parameter::name);
  ASSERT_NE(down, model.parameters.end());
  ASSERT_NE(down->byte_moments, nullptr);
  for (const auto& [name, codes] : {std::pair{"down#state1", &down->byte_moments->first}, std::pair{"down#state2", &down->byte_moments->second}}) {
    const Bytes wanted = file.bytes(*file.header().find(name));
    ASSERT_EQ(wanted.size(), codes->size());
    size_t others = 0;
    for (size_t i = 0; i < codes->size(); ++i) {
      const int difference = static_cast<int>((*codes)[i]) - static_cast<int>(wanted[i]);
      EXPECT_LE(std::abs(difference), 1);
      others += difference != 0;
    }
    EXPECT_LE(others, codes->size() / 500) << name;
    std::printf("%s: %zu of %zu codes differ\n", name, others, codes->size());
  }
}

class LoraRun : public testing::TestWithParam<AdapterCase> {};

TEST_P(LoraRun, FiftyStepsAgreeWithPeft) {
  const fs::path folder = kGoldens / "lora" / GetParam().folder;
  const json::object expected = load_expected(folder);
  const auto model = make_lora_model(models::load_decoder(base_of(GetParam())), options_of(GetParam()));
  read_adapter(folder / "initial", *model);
  const double worst = run_recorded_steps(*model, expected, GetParam().loraplus, 1e-3);
  EXPECT_LT(worst, 1e-4);
  RecordProperty("worst_relative_loss_difference", std::to_string(worst));

  double furthest = 0;
  ASSERT_NO_FATAL_FAILURE(expect_final_adapter(*model, folder, furthest));
  std::printf("%s: losses within %.1e, adapter within %.1e\n", GetParam().folder.c_str(), worst, furthest);
}

// The same 50 steps over the base rounded to bfloat16 stay in a band around the float32 curve.
TEST_P(LoraRun, FiftyStepsOverABfloat16BaseStayNearTheFloat32Curve) {
  const fs::path folder = kGoldens / "lora" / GetParam().folder;
  const TempFolder rounded;
  write_model_weights(rounded.path(), *make_full_model(*models::load_decoder(base_of(GetParam()))), true);
  fs::copy_file(base_of(GetParam()) / "config.json", rounded.path() / "config.json");
  const auto decoder = models::load_decoder(rounded.path());
  ASSERT_EQ(decoder->embedding.weight.dtype, tensor::DType::bf16);
  const auto model = make_lora_model(decoder, options_of(GetParam()));
  read_adapter(folder / "initial", *model);
  const double worst = run_recorded_steps(*model, load_expected(folder), GetParam().loraplus, 0.1);
  EXPECT_LT(worst, 2e-3);
  std::printf("%s over a bfloat16 base: losses within %.1e of float32\n", GetParam().folder.c_str(), worst);
}

struct QloraCase {
  std::string folder;
  bool is_double = false, dora = false, saved = false;   // saved: the base as transformers wrote it in 4 bits, not quantised here
};
class QloraRun : public testing::TestWithParam<QloraCase> {};

TEST_P(QloraRun, FiftyStepsAgreeWithPeftAndBitsandbytes) {
  const fs::path root = kGoldens / "qlora", folder = root / GetParam().folder;
  ThreadPool pool(2);
  auto decoder = models::load_decoder(GetParam().saved ? folder / "base_4bit" : root / "llama_wide/base");
  if (!GetParam().saved) decoder = models::with_nf4_linears(decoder, GetParam().is_double, pool);
  ASSERT_EQ(decoder->layers[0].down.weight.dtype, tensor::DType::nf4);
  ASSERT_NE(decoder->head.weight.dtype, tensor::DType::nf4);
  const auto model = make_lora_model(decoder, {.r = 4, .alpha = 8, .dora = GetParam().dora});
  read_adapter(folder / "initial", *model);
  const double worst = run_recorded_steps(*model, load_expected(folder), 1, 1e-3);
  EXPECT_LT(worst, 1e-4);
  double furthest = 0;
  ASSERT_NO_FATAL_FAILURE(expect_final_adapter(*model, folder, furthest));
  std::printf("QLoRA %s%s: losses within %.1e, adapter within %.1e\n", GetParam().folder.c_str(), GetParam().saved ? ", base saved in 4 bits" : "", worst, furthest);
}

INSTANTIATE_TEST_SUITE_P(Bases, QloraRun,
                         testing::Values(QloraCase{"llama_wide"}, QloraCase{"llama_wide", false, false, true}, QloraCase{"llama_wide_double", true}, QloraCase{"llama_wide_double", true, false, true},
                                         QloraCase{"llama_wide_dora", false, true}),
                         [](const auto& each) { return each.param.folder + (each.param.saved ? "_saved" : ""); });

class FullRun : public testing::TestWithParam<const char*> {};

TEST_P(FullRun, FiftyStepsAgreeWithPyTorch) {
  const fs::path folder = kGoldens / "full" / GetParam();
  const auto model = make_full_model(*models::load_decoder(kGoldens / "lora" / GetParam() / "base"));
  const double worst = run_recorded_steps(*model, load_expected(folder), 1, 1e-3);
  EXPECT_LT(worst, 1e-4);
  const formats::SafetensorsFile file(folder / "final.safetensors");
  EXPECT_EQ(file.header().tensors.size(), model->parameters.size());
  double furthest = 0;
  for (const Parameter& parameter : model->parameters) {
    const auto* tensor = file.header().find(parameter.name);
    ASSERT_NE(tensor, nullptr) << parameter.name;
    if (parameter.name.ends_with("k_proj.bias")) continue;   // its true gradient is zero: Adam makes steps of the rounding
    furthest = std::max(furthest, relative_distance(parameter.value, floats_of(file, *tensor)));
  }
  EXPECT_LT(furthest, 1e-3);
  std::printf("full %s: losses within %.1e, parameters within %.1e\n", GetParam(), worst, furthest);
}

INSTANTIATE_TEST_SUITE_P(Models, FullRun, testing::Values("llama_gqa", "qwen2_bias"));

// What PEFT wrote, read and written again, is the same file: names, order, shapes and values.
TEST_P(LoraRun, AdapterFileSurvivesReadingAndWriting) {
  const fs::path initial = kGoldens / "lora" / GetParam().folder / "initial";
  const auto model = make_lora_model(models::load_decoder(base_of(GetParam())), options_of(GetParam()));
  read_adapter(initial, *model);
  const TempFolder out;
  write_adapter(out.path(), *model, options_of(GetParam()), {"base", ""});
  EXPECT_EQ(read_file(out.path() / "adapter_model.safetensors"), read_file(initial / "adapter_model.safetensors"));
  const json::object ours = parse_json(read_file(out.path() / "adapter_config.json"), "ours").as_object();
  const json::object peft = parse_json(read_file(initial / "adapter_config.json"), "PEFT's").as_object();
  for (const char* field : {"use_dora", "use_rslora", "r", "lora_alpha", "peft_type", "bias", "task_type"}) EXPECT_EQ(ours.at(field), peft.at(field)) << field;
}

INSTANTIATE_TEST_SUITE_P(Models, LoraRun,
                         testing::Values(AdapterCase{"llama_gqa", "llama_gqa"}, AdapterCase{"qwen2_bias", "qwen2_bias"},
                                         AdapterCase{"llama_gqa_rslora", "llama_gqa", true, false}, AdapterCase{"llama_gqa_dora", "llama_gqa", false, true},
                                         AdapterCase{"qwen2_bias_dora", "qwen2_bias", false, true},
                                         AdapterCase{"llama_gqa_loraplus", "llama_gqa", false, false, 8}, AdapterCase{"qwen2_bias_dora_loraplus", "qwen2_bias", false, true, 4},
                                         AdapterCase{"llama_gqa_full_modules", "llama_gqa", false, false, 1, {"embed_tokens", "lm_head"}}, AdapterCase{"llama_gqa_patterns", "llama_gqa", false, false, 1, {}, true}),
                         [](const auto& each) { return each.param.folder; });

struct PreferenceCase {
  std::string folder, base;
  bool dora = false;
};
class PreferenceRun : public testing::TestWithParam<PreferenceCase> {};

std::vector<Sample> pairs_of(const json::object& expected) {
  std::vector<Sample> samples;
  const bool orpo = expected.contains("nll_loss");   // which learns the chosen prompt, too
  for (const json::value& pair : expected.at("pairs").as_array()) {
    const auto prompt = json::value_to<std::vector<int32_t>>(pair.at("prompt"));
    Sample& sample = samples.emplace_back();
    for (const char* side : {"chosen", "rejected"}) {
      const auto answer = json::value_to<std::vector<int32_t>>(pair.at(side));
      if (!sample.ids.empty()) sample.split = sample.ids.size();
      sample.ids.insert(sample.ids.end(), prompt.begin(), prompt.end());
      sample.labelled.resize(sample.ids.size(), orpo && sample.split == 0 ? 2 : 0);
      sample.ids.insert(sample.ids.end(), answer.begin(), answer.end());
      sample.labelled.resize(sample.ids.size(), 1);
    }
  }
  return samples;
}

// Ours is packed, theirs a document at a time.
TEST_P(PreferenceRun, FiftyStepsAgreeWithPyTorch) {
  const fs::path folder = kGoldens / GetParam().folder;
  const json::object expected = load_expected(folder);
  const auto model = make_lora_model(models::load_decoder(kGoldens / "lora" / GetParam().base / "base"), {.r = 4, .alpha = 8, .dora = GetParam().dora});
  read_adapter(folder / "initial", *model);
  RowStream rows(make_fixed_source(pairs_of(expected)), {.sequence_length = 64, .shuffle = false});
  ThreadPool pool(2);
  TrainOptions options;
  options.objective = Objective::preference;
  options.preference = {.loss = expected.contains("nll_loss") ? PreferenceLoss::orpo : PreferenceLoss::dpo,
                        .beta = expected.at("beta").to_number<double>(),
                        .label_smoothing = expected.at("label_smoothing").to_number<double>()};
  options.schedule = {.kind = ScheduleKind::cosine, .peak = 2e-3, .warmup_steps = 5, .total_steps = 50};
  options.rows_per_batch = 2;
  options.accumulation = 2;
  options.weight_decay = 0.01;
  options.network.positions_max = 64;
  Trainer trainer(*model, rows, pool, options);
  double worst = 0, worst_reward = 0;
  for (uint64_t i = 0; i < 50; ++i) {
    const StepReport report = trainer.step();
    const auto pairs = static_cast<double>(report.preference.pairs);
    const auto wanted = [&](const char* name) { return expected.at(name).at(i).to_number<double>(); };
    worst = std::max(worst, std::abs(report.loss / wanted("losses") - 1.0));
    worst_reward = std::max(worst_reward, std::abs(report.preference.chosen_reward / pairs - wanted("rewards/chosen")));
    worst_reward = std::max(worst_reward, std::abs(report.preference.rejected_reward / pairs - wanted("rewards/rejected")));
    EXPECT_NEAR(report.preference.accuracy / pairs, wanted("rewards/accuracies"), 1e-12);
    EXPECT_NEAR(report.preference.chosen_logp / pairs, wanted("logps/chosen"), 2e-3);
    EXPECT_NEAR(report.preference.rejected_logp / pairs, wanted("logps/rejected"), 2e-3);
    EXPECT_NEAR(report.gradient_norm / wanted("norms"), 1.0, 1e-3);
    if (!expected.contains("nll_loss")) continue;
    EXPECT_NEAR(report.preference.nll / static_cast<double>(report.preference.nll_tokens), wanted("nll_loss"), 1e-3);
    EXPECT_NEAR(report.preference.log_odds_ratio / pairs, wanted("log_odds_ratio"), 1e-3);
    EXPECT_NEAR(report.preference.log_odds / pairs, wanted("log_odds_chosen"), 1e-3);
  }
  EXPECT_LT(worst, 1e-4);
  EXPECT_LT(worst_reward, 1e-3);
  double furthest = 0;
  ASSERT_NO_FATAL_FAILURE(expect_final_adapter(*model, folder, furthest));
  std::printf("%s: losses within %.1e, rewards within %.1e, adapter within %.1e\n", GetParam().folder.c_str(), worst, worst_reward, furthest);
}

// All parameters: the reference is the model as it was.
TEST(FullPreferenceRun, FiftyStepsAgreeWithPyTorch) {
  const fs::path folder = kGoldens / "dpo/llama_gqa_full";
  const json::object expected = load_expected(folder);
  const auto decoder = models::load_decoder(kGoldens / "lora/llama_gqa/base");
  const auto model = make_full_model(*decoder), reference = make_frozen_model(decoder);
  RowStream rows(make_fixed_source(pairs_of(expected)), {.sequence_length = 64, .shuffle = false});
  ThreadPool pool(2);
  TrainOptions options = recorded_options(expected);
  options.objective = Objective::preference;
  options.preference = {.beta = expected.at("beta").to_number<double>()};
  options.network.reference = reference.get();
  Trainer trainer(*model, rows, pool, options);
  double worst = 0;
  for (uint64_t i = 0; i < 50; ++i) {
    const StepReport report = trainer.step();
    // Losses fall from 0.69 to 0.003: the difference counts against what a pair's loss begins with.
    worst = std::max(worst, std::abs(report.loss - expected.at("losses").at(i).to_number<double>()) / std::log(2.0));
    EXPECT_NEAR(report.preference.chosen_reward / static_cast<double>(report.preference.pairs), expected.at("rewards/chosen").at(i).to_number<double>(), 2e-3);
  }
  EXPECT_LT(worst, 1e-4);
  const double furthest = furthest_parameter(*model, folder);
  EXPECT_LT(furthest, 1e-3);
  std::printf("full DPO: losses within %.1e of log 2, parameters within %.1e\n", worst, furthest);
}

TEST(KtoRun, FiftyStepsAgreeWithPyTorch) {
  const fs::path folder = kGoldens / "kto/llama_gqa";
  const json::object expected = load_expected(folder);
  std::vector<Sample> samples;
  for (const json::value& example : expected.at("examples").as_array()) {
    const auto prompt = json::value_to<std::vector<int32_t>>(example.at("prompt"));
    Sample& sample = samples.emplace_back();
    sample.desirable = example.at("label").as_bool();
    for (const char* answer : {"completion", "other"}) {
      const auto ids = json::value_to<std::vector<int32_t>>(example.at(answer));
      if (!sample.ids.empty()) sample.split = sample.ids.size();
      sample.ids.insert(sample.ids.end(), prompt.begin(), prompt.end());
      sample.labelled.resize(sample.ids.size(), 0);
      sample.ids.insert(sample.ids.end(), ids.begin(), ids.end());
      sample.labelled.resize(sample.ids.size(), 1);
    }
  }
  const auto model = make_lora_model(models::load_decoder(kGoldens / "lora/llama_gqa/base"), {.r = 4, .alpha = 8});
  read_adapter(folder / "initial", *model);
  RowStream rows(make_fixed_source(std::move(samples)), {.sequence_length = 64, .shuffle = false});
  ThreadPool pool(2);
  TrainOptions options = recorded_options(expected);
  options.objective = Objective::examples;
  options.preference = {.loss = PreferenceLoss::kto,
                        .beta = expected.at("beta").to_number<double>(),
                        .desirable_weight = expected.at("desirable_weight").to_number<double>(),
                        .undesirable_weight = expected.at("undesirable_weight").to_number<double>()};
  Trainer trainer(*model, rows, pool, options);
  double worst = 0;
  for (uint64_t i = 0; i < 50; ++i) {
    const StepReport report = trainer.step();
    worst = std::max(worst, std::abs(report.loss / expected.at("losses").at(i).to_number<double>() - 1.0));
    EXPECT_NEAR(report.preference.kl, expected.at("kl").at(i).to_number<double>(), 1e-3);
    EXPECT_NEAR(report.preference.chosen_reward / static_cast<double>(report.preference.desirable), expected.at("rewards/chosen").at(i).to_number<double>(), 1e-3);
    EXPECT_NEAR(report.gradient_norm / expected.at("norms").at(i).to_number<double>(), 1.0, 1e-3);
  }
  EXPECT_LT(worst, 1e-4);
  double furthest = 0;
  ASSERT_NO_FATAL_FAILURE(expect_final_adapter(*model, folder, furthest));
  std::printf("KTO: losses within %.1e, adapter within %.1e\n", worst, furthest);
}

struct OptimizerCase {
  const char* name;
  OptimizerKind kind;
  double beta2, loss_tolerance, value_tolerance;
};
// Eight bits and signs have borders: where another rounding of a gradient falls across one, a step is another one there. So these two drift further than 1e-4.
class OptimizerRun : public testing::TestWithParam<OptimizerCase> {};

TEST_P(OptimizerRun, FiftyStepsAgreeWithTheirLibraries) {
  const fs::path folder = kGoldens / "optimizers" / GetParam().name;
  const json::object expected = load_expected(folder);
  const bool wide = GetParam().kind == OptimizerKind::adamw_8bit;
  const auto model = make_full_model(*models::load_decoder(kGoldens / (wide ? "qlora/llama_wide/base" : "lora/llama_gqa/base")));
  RowStream rows(std::make_shared<FixedSamples>(samples_of(expected)), {.sequence_length = 64, .shuffle = false});
  ThreadPool pool(2);
  TrainOptions options = recorded_options(expected);
  options.schedule = {.kind = ScheduleKind::constant, .peak = expected.at("rate").to_number<double>(), .total_steps = 50};
  options.optimizer = GetParam().kind;
  options.beta2 = GetParam().beta2;
  Trainer trainer(*model, rows, pool, options);
  const formats::SafetensorsFile file(folder / "final.safetensors");
  double worst = 0;
  for (uint64_t i = 0; i < 50; ++i) {
    worst = std::max(worst, std::abs(trainer.step().loss / expected.at("losses").at(i).to_number<double>() - 1.0));
    if (wide && i == 0) expect_codes(*model, file);
  }
  EXPECT_LT(worst, GetParam().loss_tolerance);
  const double furthest = furthest_parameter(*model, folder);
  EXPECT_LT(furthest, GetParam().value_tolerance);
  std::printf("%s: losses within %.1e, parameters within %.1e\n", GetParam().name, worst, furthest);
}

INSTANTIATE_TEST_SUITE_P(Kinds, OptimizerRun,
                         testing::Values(OptimizerCase{"adamw_8bit", OptimizerKind::adamw_8bit, 0.999, 1e-3, 5e-3}, OptimizerCase{"lion", OptimizerKind::lion, 0.99, 5e-4, 5e-3},
                                         OptimizerCase{"muon", OptimizerKind::muon, 0.999, 1e-4, 1e-3}),
                         [](const auto& each) { return std::string(each.param.name); });

INSTANTIATE_TEST_SUITE_P(Models, PreferenceRun, testing::Values(PreferenceCase{"dpo/llama_gqa_plain", "llama_gqa"}, PreferenceCase{"dpo/qwen2_bias_smoothed", "qwen2_bias", true},
                                                          PreferenceCase{"orpo/llama_gqa", "llama_gqa"}),
                         [](const auto& each) { return each.param.folder.substr(0, each.param.folder.find('/')) + "_" + each.param.folder.substr(each.param.folder.find('/') + 1); });

class DoraGradients : public testing::TestWithParam<const char*> {};

TEST_P(DoraGradients, AgreeWithPeftInDouble) {
  const fs::path folder = kGoldens / "lora" / (std::string(GetParam()) + "_dora");
  const json::object expected = load_expected(folder);
  const auto model = make_lora_model(models::load_decoder(kGoldens / "lora" / GetParam() / "base"), {.r = 4, .alpha = 8, .dora = true});
  read_adapter(folder / "initial", *model);
  ThreadPool pool(2);
  Network network(*model, pool, {.positions_max = 64});
  Batch batch;
  append_row(batch, pack_rows(samples_of(expected), {.sequence_length = 64}).at(0));
  const double loss = network.forward_backward(batch, 1.0f, 0);
  EXPECT_NEAR(loss / expected.at("gradient_loss").to_number<double>(), 1.0, 1e-5);
  const formats::SafetensorsFile file(folder / "gradients.safetensors");
  EXPECT_EQ(file.header().tensors.size(), model->parameters.size());
  for (const Parameter& parameter : model->parameters) {
    const auto* tensor = file.header().find("base_model.model." + parameter.name);
    ASSERT_NE(tensor, nullptr) << parameter.name;
    EXPECT_LT(relative_distance(parameter.gradient, floats_of(file, *tensor)), 2e-5) << parameter.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, DoraGradients, testing::Values("llama_gqa", "qwen2_bias"));

}  // namespace
}  // namespace lyceum::tuning
