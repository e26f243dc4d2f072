#include "tuning/memory_estimate.h"

#include <gtest/gtest.h>

#include "models/load.h"
#include "tuning/model/train_model.h"

namespace lyceum::tuning {
namespace {

constexpr std::string_view kConfig = R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3,
  "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 300, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000})";

MemoryEstimate of(const Recipe& recipe, const MemoryInputs& inputs = {1000, 100}) { return estimate_memory(models::read_config(kConfig), recipe, inputs); }

TEST(MemoryEstimate, CountsWhatIsTrainedAsTheTrainerDoes) {
  const std::shared_ptr<const models::Decoder> decoder = models::make_decoder(kConfig);
  for (const std::vector<std::string>& targets : {std::vector<std::string>{}, {"q_proj", "down_proj"}, {"all-linear"}}) {
    Recipe recipe;
    recipe.target_modules = targets;
    LoraOptions options;
    options.r = recipe.lora_r;
    options.targets = targets;
    EXPECT_EQ(of(recipe).trainable, make_lora_model(decoder, options)->trainable() * 16) << targets.size();
  }
  Recipe plain, dora;
  dora.use_dora = true;
  EXPECT_EQ(of(dora).trainable - of(plain).trainable, 16u * 3 * (64 + 32 + 32 + 64 + 160 + 160 + 64)) << "a magnitude for each row";
  Recipe full;
  full.method = "full";
  const auto counted = static_cast<double>(make_full_model(*decoder)->trainable() * 16);
  EXPECT_NEAR(static_cast<double>(of(full).trainable), counted, 0.01 * counted);
}

TEST(MemoryEstimate, GrowsWithWhatCostsMemory) {
  const Recipe plain;
  const auto with = [&](auto change) {
    Recipe recipe;
    change(recipe);
    return of(recipe);
  };
  EXPECT_GT(with([](Recipe& r) { r.micro_batch_size = 4; }).activations, 3 * of(plain).activations);
  EXPECT_LT(with([](Recipe& r) { r.gradient_checkpointing = true; }).activations, of(plain).activations);
  EXPECT_GT(with([](Recipe& r) { r.load_best_model_at_end = true; }).trainable, of(plain).trainable);
  EXPECT_LT(of([] { Recipe r; r.load_in_4bit = true; return r; }(), {4'000'000, 0}).base, 4'000'000u);
  EXPECT_EQ(of(plain).base, 1000u);
  EXPECT_EQ(memory_json(of(plain)).at("total_bytes").to_number<uint64_t>(), of(plain).total());
}

}  // namespace
}  // namespace lyceum::tuning
