// A merged model against base and adapter side by side, and what cannot be merged.
#include "base/source_dir.h"
#include "tuning/write/merge.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "models/load.h"
#include "tuning/data/pack.h"
#include "tuning/model/network.h"
#include "tuning/model/tiny_models.h"
#include "tuning/write/adapter_writer.h"

namespace lyceum::tuning {
namespace {

const fs::path kLora = fs::path(kSourceDir) / "tests/goldens/tuning/lora";

double loss_of(TrainModel& model) {
  ThreadPool pool(2);
  Network network(model, pool, {.positions_max = 64});
  Batch batch;
  for (const Row& row : pack_rows(samples_for_test(model.config.vocab, 9), {.sequence_length = 64})) append_row(batch, row);
  return network.loss(batch);
}

class Merge : public testing::TestWithParam<const char*> {};

TEST_P(Merge, GivesTheLossOfBaseAndAdapter) {
  const std::string name = GetParam();
  const bool dora = name.ends_with("_dora"), rslora = name.ends_with("_rslora");
  const fs::path base = kLora / name.substr(0, name.find("_", name.find("_") + 1)) / "base";
  const auto adapted = make_lora_model(models::load_decoder(base), {.r = 4, .alpha = 8, .rslora = rslora, .dora = dora});
  const double before = loss_of(*adapted);
  read_adapter(kLora / name / "initial", *adapted);
  const TempFolder out;
  ThreadPool pool(2);
  const MergeReport report = merge_adapter(base, kLora / name / "initial", out.path() / "merged", {}, pool);
  EXPECT_EQ(report.modules, 14u);
  EXPECT_GT(report.largest_relative_change, 0.0);
  const double wanted = loss_of(*adapted);
  EXPECT_GT(std::abs(wanted - before), 1e-3 * wanted);
  EXPECT_NEAR(loss_of(*make_full_model(*models::load_decoder(out.path() / "merged"))), wanted, 1e-5 * wanted);
}

INSTANTIATE_TEST_SUITE_P(Adapters, Merge, testing::Values("llama_gqa", "llama_gqa_rslora", "llama_gqa_dora", "qwen2_bias_dora"));

TEST(MergeRefusal, NamesWhatCannotBeMerged) {
  const TempFolder out;
  ThreadPool pool(1);
  const auto message = [&](const fs::path& base, const std::string& dtype) -> std::string {
    try {
      merge_adapter(base, kLora / "llama_gqa/initial", out.path() / "x", {.dtype = dtype}, pool);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message(kLora / "llama_gqa/base", "q4").find("f32, bf16, f16, nf4"), std::string::npos);
  EXPECT_FALSE(fs::exists(out.path() / "x/model.safetensors"));
  write_file_durable(out.path() / "x/other.txt", "x");
  EXPECT_NE(message(kLora / "llama_gqa/base", "").find("not an empty folder"), std::string::npos);
}

const fs::path kQlora = fs::path(kSourceDir) / "tests/goldens/tuning/qlora";

std::string tensor_text(const formats::SafetensorsModel& model, const std::string& name) { return std::string(as_text(model.get(name).bytes)); }

// Writing in 4 bits gives transformers' and bitsandbytes' file: every tensor's bytes.
TEST(MergeNf4, WritesTheFourBitsThatBitsandbytesWrites) {
  const TempFolder out;
  ThreadPool pool(2);
  for (const auto& [dtype, name] : {std::pair{"nf4", "llama_wide"}, std::pair{"nf4-double", "llama_wide_double"}}) {
    const fs::path folder = out.path() / dtype;
    merge_adapter(kQlora / "llama_wide/base", {}, folder, {.dtype = dtype}, pool);
    const formats::SafetensorsModel ours(folder), theirs(kQlora / name / "base_4bit");
    EXPECT_EQ(ours.names(), theirs.names());
    for (const std::string& each : theirs.names()) {
      const bool layer = each.find("proj") != std::string::npos;
      if (!layer) continue;   // theirs are widened to float32
      EXPECT_TRUE(tensor_text(ours, each) == tensor_text(theirs, each)) << each;
    }
    EXPECT_EQ(models::load_decoder(folder)->layers[0].q.weight.dtype, tensor::DType::nf4);
  }
}

TEST(MergeNf4, ABaseInFourBitsIsMergedIntoOnlyWhenAsked) {
  const fs::path base = kQlora / "llama_wide/base_4bit", adapter = kQlora / "llama_wide/initial";
  const TempFolder out;
  ThreadPool pool(2);
  try {
    merge_adapter(base, adapter, out.path() / "refused", {}, pool);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("--dequantize"), std::string::npos);
  }
  merge_adapter(base, adapter, out.path() / "merged", {.dtype = "f32", .dequantize = true}, pool);
  const auto adapted = make_lora_model(models::load_decoder(base), {.r = 4, .alpha = 8});
  read_adapter(adapter, *adapted);
  const double wanted = loss_of(*adapted);
  EXPECT_NEAR(loss_of(*make_full_model(*models::load_decoder(out.path() / "merged"))), wanted, 1e-5 * wanted);
}

TEST(MergeTied, HeadOfItsOwnWhereTheAdapterIsOnATiedHead) {
  // An adapter on lm_head alone, over a model whose head is its embedding.
  const fs::path base = kLora / "qwen2_bias/base";
  const auto decoder = models::load_decoder(base);
  ASSERT_TRUE(decoder->config.tied_embeddings);
  const TempFolder folder;
  const fs::path adapter = folder.path() / "adapter";
  make_folders_durable(adapter);
  write_file_durable(adapter / "adapter_config.json", R"({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["lm_head"]})");
  const std::vector<float> values(2 * decoder->config.vocab, 0.25f);
  formats::write_safetensors(adapter / "adapter_model.safetensors",
                             {{"base_model.model.lm_head.lora_A.weight", "F32", {2, decoder->config.hidden}}, {"base_model.model.lm_head.lora_B.weight", "F32", {decoder->config.vocab, 2}}},
                             {{"format", "pt"}}, [&](const formats::SafetensorsSpec& spec) { return std::as_bytes(std::span(values).first(spec.shape[0] * spec.shape[1])); });
  ThreadPool pool(1);
  const MergeReport report = merge_adapter(base, adapter, folder.path() / "out", {}, pool);
  EXPECT_TRUE(report.untied);
  const auto merged = models::load_decoder(folder.path() / "out");
  EXPECT_FALSE(merged->config.tied_embeddings);
  const formats::SafetensorsModel before(base), after(folder.path() / "out");
  const auto table = after.get("model.embed_tokens.weight"), head = after.get("lm_head.weight");
  EXPECT_EQ(as_text(table.bytes), as_text(before.get("model.embed_tokens.weight").bytes));
  EXPECT_NE(as_text(head.bytes), as_text(table.bytes));
}

}  // namespace
}  // namespace lyceum::tuning
