#include "hub/card.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/clock.h"
#include "hub/names.h"

namespace lyceum::hub {
namespace {

std::vector<std::string> tags_of(const std::string& yaml, RepoType type = RepoType::model, const std::set<std::string>& files = {}) {
  return summarise_card(type, parse_card("---\n" + yaml + "\n---\nbody"), files).tags;
}
bool has(const std::vector<std::string>& tags, std::string_view tag) { return std::find(tags.begin(), tags.end(), tag) != tags.end(); }

TEST(Card, ScalarsFollowTheCoreSchema) {
  const auto card = parse_card("---\na: 1\nb: 1.5\nc: true\nd: no\ne: \"1\"\nf: null\ng: [x, 2]\nh: 2024-01-01\ni: 'true'\n---\n");
  EXPECT_EQ(json::serialize(card), R"({"a":1,"b":1.5E0,"c":true,"d":"no","e":"1","f":null,"g":["x",2],"h":"2024-01-01","i":"true"})");
}

TEST(Card, TextWithoutFrontMatterIsEmpty) {
  for (const char* text : {"", "# title", "----\na: 1\n---\n", "---\na: 1\n", "text\n---\na: 1\n---\n", "---\n- a\n- b\n---\n", "---\n---\n"}) EXPECT_TRUE(parse_card(text).empty()) << text;
  EXPECT_EQ(parse_card("\xef\xbb\xbf---\r\na: 1\r\n---\r\n").size(), 1u);
}

TEST(Card, BombsAndGarbageAreEmpty_regression) {
  std::string bomb = "---\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 0; k < 9; ++k) bomb += ", " + before;
    bomb += "]\n";
  }
  const double start = process_cpu_seconds();
  EXPECT_TRUE(parse_card(bomb + "---\n").empty());
  EXPECT_TRUE(parse_card("---\na: " + std::string(5000, '[') + "\n---\n").empty());
  EXPECT_TRUE(parse_card("---\na: " + std::string(5000, '{') + "\n---\n").empty());
  EXPECT_TRUE(parse_card("---\na: &x [*x]\n---\n").empty());
  EXPECT_TRUE(parse_card("---\na: *nope\n---\n").empty());
  EXPECT_TRUE(parse_card("---\na: '" + std::string(400'000, 'y') + "'\n---\n").empty());
  EXPECT_LT(process_cpu_seconds() - start, 2.0);
}

TEST(Card, BaseModelRelationIsStatedOrInferred) {
  EXPECT_TRUE(has(tags_of("base_model: a/b"), "base_model:finetune:a/b"));
  EXPECT_TRUE(has(tags_of("base_model: a/b\nbase_model_relation: quantized"), "base_model:quantized:a/b"));
  EXPECT_TRUE(has(tags_of("base_model: a/b", RepoType::model, {"adapter_config.json"}), "base_model:adapter:a/b"));
  EXPECT_TRUE(has(tags_of("base_model: a/b", RepoType::model, {"m.gguf"}), "base_model:quantized:a/b"));
  EXPECT_TRUE(has(tags_of("base_model: [a/b, c/d]"), "base_model:merge:c/d"));
}

TEST(Card, DatasetsUsePrefixes) {
  const auto tags = tags_of("task_categories: [text-generation]\nsize_categories: 1K<n<10K\nlanguage: [en]\nlicense: mit", RepoType::dataset);
  for (const char* tag : {"task_categories:text-generation", "size_categories:1K<n<10K", "language:en", "license:mit"}) EXPECT_TRUE(has(tags, tag)) << tag;
}

TEST(Names, BinaryIsNulOrBrokenUtf8) {
  EXPECT_FALSE(looks_binary("plain \xc3\xa9 \xf0\x9f\x98\x80"));
  EXPECT_FALSE(looks_binary("cut \xf0\x9f"));
  EXPECT_TRUE(looks_binary(std::string_view("a\0b", 3)));
  for (const char* text : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe0\x80\x80", "\x80", "\xc3("}) EXPECT_TRUE(looks_binary(text)) << text;
  EXPECT_FALSE(is_utf8("cut \xf0\x9f"));
}

}  // namespace
}  // namespace lyceum::hub
