// Whole runs on a tiny corpus: pretrain, LoRA on the result, resume, threads.
#include "tuning/job.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>

#include "base/files.h"
#include "formats/safetensors.h"

namespace lyceum::tuning {
namespace {

constexpr std::string_view kPretrain = R"({"method": "pretrain", "vocab_size": 320, "seq_len": 48, "max_steps": 8, "micro_batch_size": 2, "learning_rate": 0.01,
  "lr_scheduler": "warmup_stable_decay", "decay_steps": 3, "warmup_steps": 2,
  "model": {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "tie_word_embeddings": true, "hidden_act": "silu"}})";

// A folder of small Python files, and runs over it.
class JobRuns : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 12; ++i) {
      std::string text = "import module_" + std::to_string(i) + "\n\n\n";
      for (int k = 0; k < 6; ++k) text += "def function_" + std::to_string(k * i) + "(first, second):\n    return first + second * " + std::to_string(k) + "\n\n\n";
      write_file_durable(root_.path() / "data" / ("file" + std::to_string(i) + ".py"), text);
    }
  }

  JobSpec spec(const json::object& recipe) const {
    JobSpec out;
    out.recipe = recipe_from_json(recipe);
    out.data_path = root_.path() / "data";
    out.data_label = "test files";
    return out;
  }
  json::object pretrain_recipe() const { return parse_json(kPretrain, "recipe").as_object(); }

  JobResult run(const std::string& name, const JobSpec& spec_in, const JobOptions& options = {}) {
    save_spec(root_.path() / name, spec_in);
    return run_job(root_.path() / name, options, [this](const JobProgress& progress) {
      if (progress.phase == "train") last_step_ = progress.step;
      if (progress.phase == "train" && progress.step == stop_after_) cancel_ = true;
    });
  }

  JobSpec lora_spec(const fs::path& base, json::object changes) const {
    json::object recipe = {{"seq_len", 48}, {"max_steps", 6}, {"lora_r", 2}, {"learning_rate", 0.01}, {"micro_batch_size", 2}, {"val_size", 0.3}};
    for (const auto& item : changes) recipe[item.key()] = item.value();
    JobSpec out = spec(recipe);
    out.base_folder = base;
    out.base_repo = "test/base";
    return out;
  }

  TempFolder root_;
  std::atomic<bool> cancel_ = false;
  uint64_t stop_after_ = 0, last_step_ = 0;
};

TEST_F(JobRuns, PretrainThenLoraWriteWholeFolders) {
  const JobResult model = run("base", spec(pretrain_recipe()));
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "README.md", "lineage.json", "recipe.json"}) {
    EXPECT_TRUE(fs::exists(model.output / file)) << file;
  }
  const json::object config = parse_json(read_file(model.output / "config.json"), "config.json").as_object(), fim = model.lineage.at("fim").as_object();
  const bool suffix_first = fim.at("suffix_first_bits_per_byte").to_number<double>() < fim.at("prefix_first_bits_per_byte").to_number<double>();
  EXPECT_EQ(config.at("fim_order").as_string(), suffix_first ? "suffix_first" : "prefix_first") << "what was measured better is what the engine will ask";
  const JobResult adapter = run("lora", lora_spec(model.output, {}));
  EXPECT_TRUE(fs::exists(adapter.output / "adapter_config.json"));
  EXPECT_TRUE(fs::exists(root_.path() / "lora" / "data_report.json"));
  EXPECT_GT(adapter.data_report.at("files_held_out").to_number<int>(), 0);
  EXPECT_EQ(adapter.lineage.at("base").at("weights_sha256").at("model.safetensors").as_string(), model.output_sha256.at("model.safetensors"));
  const formats::SafetensorsFile file(adapter.output / "adapter_model.safetensors");
  EXPECT_EQ(file.header().tensors.size(), 2u * 7u * 2u);
  EXPECT_NE(file.header().find("base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight"), nullptr);
  EXPECT_EQ(file.header().metadata.at("format"), "pt");
}

TEST_F(JobRuns, OneAndTwoThreadsGiveTheSameBytes) {
  const JobResult one = run("one", spec(pretrain_recipe()), {.threads = 1});
  const JobResult two = run("two", spec(pretrain_recipe()), {.threads = 2});
  EXPECT_EQ(one.output_sha256, two.output_sha256);
  const auto changes = json::object{{"lora_dropout", 0.1}};
  EXPECT_EQ(run("lora1", lora_spec(one.output, changes), {.threads = 1}).output_sha256, run("lora2", lora_spec(two.output, changes), {.threads = 2}).output_sha256);
}

TEST_F(JobRuns, StoppedAndResumedGivesTheSameBytes) {
  const JobResult whole = run("whole", spec(pretrain_recipe()));
  stop_after_ = 4;
  EXPECT_TRUE(run("parts", spec(pretrain_recipe()), {.cancel = &cancel_}).cancelled);
  EXPECT_EQ(last_step_, 4u);
  EXPECT_EQ(run("parts", spec(pretrain_recipe())).output_sha256, whole.output_sha256);
}

TEST_F(JobRuns, DoraIsTheSameWithAnyThreadsAndWhenResumed) {
  const JobResult model = run("base", spec(pretrain_recipe()));
  const json::object changes = {{"use_dora", true}, {"lora_dropout", 0.1}};
  const JobResult whole = run("dora1", lora_spec(model.output, changes), {.threads = 1});
  EXPECT_EQ(whole.output_sha256, run("dora2", lora_spec(model.output, changes), {.threads = 2}).output_sha256);
  const formats::SafetensorsFile file(whole.output / "adapter_model.safetensors");
  EXPECT_EQ(file.header().tensors.size(), 2u * 7u * 3u);
  EXPECT_EQ(file.header().find("base_model.model.model.layers.1.mlp.down_proj.lora_magnitude_vector")->shape, std::vector<uint64_t>{16});
  stop_after_ = 3;
  EXPECT_TRUE(run("dora3", lora_spec(model.output, changes), {.cancel = &cancel_}).cancelled);
  EXPECT_EQ(run("dora3", lora_spec(model.output, changes)).output_sha256, whole.output_sha256);
}

TEST_F(JobRuns, LoraPlusAndEmbeddingNoiseChangeTheResultButNotWithThreadsOrAResume) {
  const JobResult model = run("base", spec(pretrain_recipe()));
  const json::object changes = {{"loraplus_lr_ratio", 4}, {"neftune_noise_alpha", 5}};
  const JobResult both = run("both", lora_spec(model.output, changes), {.threads = 1});
  for (const auto& item : changes) EXPECT_NE(run("only" + std::string(item.key()), lora_spec(model.output, {{item.key(), item.value()}})).output_sha256, both.output_sha256);
  stop_after_ = 3;
  EXPECT_TRUE(run("parts", lora_spec(model.output, changes), {.cancel = &cancel_}).cancelled);
  EXPECT_EQ(run("parts", lora_spec(model.output, changes), {.threads = 2}).output_sha256, both.output_sha256);
}

TEST_F(JobRuns, EveryOptimizerAndAFourBitBaseSurviveAResume) {
  json::object wide = pretrain_recipe();   // rows of whole blocks, and matrices large enough for 8 bits
  wide["max_steps"] = 3;
  wide["model"].as_object()["hidden_size"] = 64;
  wide["model"].as_object()["intermediate_size"] = 64;
  const JobResult model = run("wide", spec(wide));
  const json::object full = {{"method", "full"}, {"learning_rate", 1e-3}, {"save_dtype", "f32"}};
  std::map<std::string, json::object> cases = {{"qlora", {{"load_in_4bit", true}, {"bnb_4bit_use_double_quant", true}}}};
  for (const char* optimizer : {"adamw", "adamw_8bit", "lion", "muon"}) {
    cases[optimizer] = full;
    cases[optimizer]["optimizer"] = optimizer;
  }
  std::set<std::string> results;
  for (const auto& [name, changes] : cases) {
    cancel_ = false;
    stop_after_ = 0;
    const JobResult whole = run(name + "-whole", lora_spec(model.output, changes), {.threads = 1});
    stop_after_ = 3;
    EXPECT_TRUE(run(name, lora_spec(model.output, changes), {.cancel = &cancel_}).cancelled) << name;
    EXPECT_EQ(run(name, lora_spec(model.output, changes), {.threads = 2}).output_sha256, whole.output_sha256) << name;
    results.insert(whole.output_sha256.begin()->second);
  }
  EXPECT_EQ(results.size(), cases.size());
  EXPECT_THROW(lora_spec(model.output, {{"optimizer", "adafactor"}}), Error);
  EXPECT_THROW(lora_spec(model.output, {{"method", "full"}, {"load_in_4bit", true}}), Error);
}

TEST_F(JobRuns, PreferencesOverAllParametersAndKtoSurviveAResume) {
  const JobResult model = run("base", spec(pretrain_recipe()));
  std::string lines;
  for (int i = 0; i < 12; ++i) lines += "{\"prompt\": \"def f" + std::to_string(i) + "\", \"chosen\": \"(first, second)" + std::to_string(i) + "\", \"rejected\": \"return" + std::to_string(i) + "\"}\n";
  write_file_durable(root_.path() / "pairs.jsonl", lines);
  const std::map<std::string, json::object> cases = {{"dpo-full", {{"objective", "dpo"}, {"method", "full"}, {"learning_rate", 1e-3}}},
                                                     {"kto", {{"objective", "kto"}, {"eval_steps", 3}}},
                                                     {"kto-full", {{"objective", "kto"}, {"method", "full"}, {"learning_rate", 1e-3}}}};
  for (const auto& [name, changes] : cases) {
    JobSpec wanted = lora_spec(model.output, changes);
    wanted.data_path = root_.path() / "pairs.jsonl";
    cancel_ = false;
    stop_after_ = 0;
    const JobResult whole = run(name + "-whole", wanted, {.threads = 1});
    stop_after_ = 3;
    EXPECT_TRUE(run(name, wanted, {.cancel = &cancel_}).cancelled) << name;
    EXPECT_EQ(run(name, wanted, {.threads = 2}).output_sha256, whole.output_sha256) << name;
    EXPECT_NE(read_file(whole.output / "README.md").find(name.starts_with("kto") ? "KTO" : "DPO"), std::string::npos);
  }
}

TEST_F(JobRuns, BestEvaluationIsKeptStopsEarlyAndSurvivesAResume) {
  const JobResult model = run("base", spec(pretrain_recipe()));
  // Too fast a rate: the held-out loss falls, then rises.
  const json::object changes = {{"learning_rate", 0.2}, {"lr_scheduler", "constant"}, {"max_steps", 30}, {"eval_steps", 2}, {"early_stopping_patience", 1}, {"load_best_model_at_end", true}, {"fim_rules", 1}};
  const JobResult best = run("best", lora_spec(model.output, changes));
  const json::object& evaluation = best.lineage.at("evaluation").as_object();
  const auto step = evaluation.at("best_step").to_number<uint64_t>();
  const json::array& curve = evaluation.at("curve").as_array();
  ASSERT_TRUE(evaluation.at("stopped_early").as_bool()) << json::serialize(evaluation);
  EXPECT_EQ(curve.back().at(0).to_number<uint64_t>(), step + 2);
  for (const json::value& point : curve) EXPECT_GE(point.at(1).to_number<double>(), evaluation.at("best_loss").to_number<double>());

  json::object straight = changes;
  straight["max_steps"] = step;
  straight["load_best_model_at_end"] = false;
  EXPECT_EQ(run("straight", lora_spec(model.output, straight)).output_sha256, best.output_sha256);

  stop_after_ = step + 1;   // between the best evaluation and the end
  ASSERT_TRUE(run("parts", lora_spec(model.output, changes), {.cancel = &cancel_}).cancelled);
  const JobResult resumed = run("parts", lora_spec(model.output, changes));
  EXPECT_EQ(resumed.output_sha256, best.output_sha256);
  EXPECT_EQ(resumed.lineage.at("evaluation"), best.lineage.at("evaluation"));
}

TEST_F(JobRuns, EvaluationWithoutAnythingHeldOutIsRefused) {
  const JobResult model = run("base", spec(pretrain_recipe()));
  EXPECT_THROW(lora_spec(model.output, {{"eval_steps", 2}, {"val_size", 0}}), Error);
  EXPECT_THROW(lora_spec(model.output, {{"early_stopping_patience", 2}}), Error);
  EXPECT_THROW(run("none", lora_spec(model.output, {{"eval_steps", 2}, {"val_size", 1e-9}})), Error);
}

TEST_F(JobRuns, EndMayBeMovedOnlyUnderAStableSchedule) {
  json::object longer = pretrain_recipe();
  longer["max_steps"] = 100;
  stop_after_ = 4;
  run("moved", spec(longer), {.cancel = &cancel_});
  EXPECT_EQ(run("moved", spec(pretrain_recipe())).output_sha256, run("straight", spec(pretrain_recipe())).output_sha256);
  json::object cosine = pretrain_recipe();
  cosine["lr_scheduler"] = "cosine";
  cancel_ = false;
  run("cosine", spec(cosine), {.cancel = &cancel_});
  cosine["max_steps"] = 20;
  EXPECT_THROW(run("cosine", spec(cosine)), Error);
}

TEST_F(JobRuns, AdapterWithoutEffectIsRefused) {
  const JobResult model = run("base", spec(pretrain_recipe()));
  EXPECT_THROW(run("inert", lora_spec(model.output, {{"learning_rate", 0.0}})), Error);
  EXPECT_THROW(run("nowhere", lora_spec(model.output, {{"target_modules", "query_key_value"}})), Error);
}

TEST_F(JobRuns, FullTuningAndGradientCheckpointingAgree) {
  const JobResult model = run("base", spec(pretrain_recipe()));
  const JobResult kept = run("kept", lora_spec(model.output, {{"method", "full"}, {"learning_rate", 1e-3}}));
  EXPECT_TRUE(fs::exists(kept.output / "tokenizer.json"));
  json::object changes = {{"gradient_checkpointing", true}};
  EXPECT_EQ(run("a", lora_spec(model.output, {})).output_sha256, run("b", lora_spec(model.output, changes)).output_sha256);
}

}  // namespace
}  // namespace lyceum::tuning
