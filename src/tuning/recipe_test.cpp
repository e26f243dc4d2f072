#include "tuning/recipe.h"

#include <gtest/gtest.h>

namespace lyceum::tuning {
namespace {

std::string error_of(std::string_view text, std::string_view what = "recipe.json") {
  try {
    parse_recipe(text, what);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Recipe, UnknownKeyIsRefusedWithTheNearestKnownOne) {
  const std::string message = error_of(R"({"learning_rat": 0.1})");
  EXPECT_NE(message.find("'learning_rat'"), std::string::npos);
  EXPECT_NE(message.find("'learning_rate'"), std::string::npos);
}

TEST(Recipe, AliasesOfOtherToolsAreRead) {
  const Recipe recipe = parse_recipe("lora_rank: 4\ncutoff_len: 256\nnum_train_epochs: 2.5\nper_device_train_batch_size: 3\nlr_scheduler_type: linear\nlora_target: all\n", "x.yaml");
  EXPECT_EQ(recipe.lora_r, 4u);
  EXPECT_EQ(recipe.seq_len, 256u);
  EXPECT_DOUBLE_EQ(recipe.num_epochs, 2.5);
  EXPECT_EQ(recipe.micro_batch_size, 3u);
  EXPECT_EQ(recipe.lr_scheduler, "linear");
  EXPECT_EQ(recipe.target_modules, std::vector<std::string>{"all"});
}

TEST(Recipe, AliasAndNameTogetherAreRefused) { EXPECT_NE(error_of(R"({"r": 4, "lora_r": 8})").find("second time"), std::string::npos); }
TEST(Recipe, WrongTypeNamesTheKey) { EXPECT_NE(error_of(R"({"seed": "abc"})").find("'seed'"), std::string::npos); }
TEST(Recipe, BadYamlIsAnError) { EXPECT_FALSE(error_of("a: [", "x.yaml").empty()); }

TEST(Recipe, WhatNeedsAnotherMethodIsRefused) {
  EXPECT_NE(error_of(R"({"method": "full", "loraplus_lr_ratio": 16})").find("needs method lora"), std::string::npos);
  EXPECT_NE(error_of(R"({"loraplus_lr_ratio": 0.5})").find("between 1 and 1000"), std::string::npos);
  EXPECT_NE(error_of(R"({"objective": "dpo", "neftune_noise_alpha": 5})").find("is for objective sft"), std::string::npos);
}

TEST(Recipe, TextRoundTrip) {
  Recipe recipe;
  recipe.lora_r = 7;
  recipe.learning_rate = 1.25e-4;
  recipe.extensions = {".py"};
  const json::object text = recipe_to_json(recipe);
  EXPECT_EQ(json::serialize(recipe_to_json(recipe_from_json(parse_json(json::serialize(text), "recipe").as_object()))), json::serialize(text));
}

}  // namespace
}  // namespace lyceum::tuning
