#include "spaces/space_app.h"

#include <gtest/gtest.h>

namespace lyceum::spaces {
namespace {

std::string problem(std::string_view yaml) {
  try {
    parse_space_app(yaml, "t");
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST(SpaceApp, ReadsEveryKey) {
  const SpaceApp app = parse_space_app(
      "task: fill-in-the-middle\nmodel: a/b\nadapter: c/d\ntitle: T\nabout: A\nplaceholder: P\nsystem_prompt: S\n"
      "examples:\n  - one\n  - {text: two, suffix: end}\nparameters:\n  max_tokens: 10\n  temperature: 0.5\n",
      "x");
  EXPECT_EQ(app.adapter, "c/d");
  ASSERT_EQ(app.examples.size(), 2u);
  EXPECT_EQ(app.examples[1].suffix, "end");
  EXPECT_EQ(json::serialize(to_json(app).at("parameters")), R"({"max_tokens":10,"temperature":5E-1})");
}

TEST(SpaceApp, NamesLineAndColumnOfAnUnknownKey) {
  EXPECT_NE(problem("task: chat\nmodel: a/b\nmodle: x\n").find("line 3, column 1: unknown key 'modle'"), std::string::npos);
}

TEST(SpaceApp, RefusesWrongValues) {
  EXPECT_NE(problem("task: dance\nmodel: a/b").find("unknown task 'dance'"), std::string::npos);
  EXPECT_NE(problem("task: chat\nmodel: ../b/c").find("repository name"), std::string::npos);
  EXPECT_NE(problem("task: chat\nmodel: a/b\nparameters: {temperature: 9}").find("from 0 to 2"), std::string::npos);
  EXPECT_NE(problem("task: chat\nmodel: [a").find("line"), std::string::npos);
  EXPECT_NE(problem("task: chat").find("'model' is missing"), std::string::npos);
  EXPECT_NE(problem("- a").find("must be a map"), std::string::npos);
  EXPECT_NE(problem("a: &x 1\nb: *x").find("aliases"), std::string::npos);
  EXPECT_NE(problem(std::string(100000, 'a')).find("limit"), std::string::npos);
}

TEST(SpaceApp, UsesTheRepositoryNameWithoutATitle) { EXPECT_EQ(parse_space_app("task: chat\nmodel: a/b", "mine").title, "mine"); }

}  // namespace
}  // namespace lyceum::spaces
