#include "hub/card_check.h"

#include <gtest/gtest.h>

namespace lyceum::hub {
namespace {

std::string warnings(const std::string& yaml, RepoType type = RepoType::model) {
  std::string out;
  for (const std::string& one : check_card(type, "---\n" + yaml + "---\n# Title\n").warnings) out += one + "\n";
  return out;
}

TEST(CardCheck, AGoodCardHasNoFindings) {
  EXPECT_EQ(warnings("license: mit\nlanguage:\n- en\n- zh-Hant\npipeline_tag: text-generation\nbase_model: a/b\ntags: [x]\ndatasets: squad\n"), "");
  EXPECT_EQ(warnings("sdk: static\n", RepoType::space), "");
}

TEST(CardCheck, WhatIsNotYamlIsAnError) {
  EXPECT_EQ(check_card(RepoType::model, "---\na: [\n---\n").errors.size(), 1u);
  EXPECT_EQ(check_card(RepoType::model, "---\n- a\n---\n").errors.size(), 1u);
}

TEST(CardCheck, MissingAndUnclosedFrontMatterIsAWarning) {
  EXPECT_EQ(check_card(RepoType::model, "# Title").warnings.at(0), "empty or missing yaml metadata in repo card");
  EXPECT_NE(check_card(RepoType::model, "---\nlicense: mit\n").warnings.at(0).find("no closing"), std::string::npos);
}

TEST(CardCheck, SlipsAreNamedWithTheWordThatWasMeant) {
  EXPECT_NE(warnings("license: MIT\n").find("did you mean \"mit\"?"), std::string::npos);
  EXPECT_NE(warnings("license: Apache 2.0\n").find("did you mean \"apache-2.0\"?"), std::string::npos);
  EXPECT_NE(warnings("license: mit\npipeline_tag: text_generation\n").find("did you mean \"text-generation\"?"), std::string::npos);
  EXPECT_NE(warnings("license: mit\nbase_model_relation: child\n").find("adapter, finetune"), std::string::npos);
}

TEST(CardCheck, ValuesOthersCannotReadAreNamed) {
  EXPECT_NE(warnings("language: en\n").find("names no license"), std::string::npos);
  EXPECT_NE(warnings("license: mit\nlanguage: English\n").find("ISO 639"), std::string::npos);
  EXPECT_NE(warnings("license: mit\ntags: [1, two]\n").find("tags: must be"), std::string::npos);
  EXPECT_NE(warnings("license: mit\nbase_model: /home/me/model\n").find("local path"), std::string::npos);
  EXPECT_NE(warnings("title: x\n", RepoType::space).find("sdk is missing"), std::string::npos);
}

}  // namespace
}  // namespace lyceum::hub
