#include "api/openai/answer_parser.h"

#include <gtest/gtest.h>

namespace lyceum::api {
namespace {

// {reasoning}content[call]arguments; the same however the text is cut.
std::string shown(const ToolFormat* tools, Reasoning reasoning, const std::string& text) {
  using Kind = ToolParser::Piece::Kind;
  std::string first;
  for (const size_t step : {text.size() + 1, size_t{1}, size_t{2}, size_t{7}}) {
    AnswerParser parser(tools, reasoning);
    std::string out;
    Kind before = Kind::content;
    const auto take = [&](const std::vector<ToolParser::Piece>& pieces) {
      for (const auto& piece : pieces) {
        if (piece.kind == Kind::reasoning && before != Kind::reasoning) out += "{";
        if (piece.kind != Kind::reasoning && before == Kind::reasoning) out += "}";
        out += piece.kind == Kind::call ? "[" + piece.text + "]" : piece.text;
        before = piece.kind;
      }
    };
    for (size_t i = 0; i < text.size(); i += step) take(parser.push(std::string_view(text).substr(i, step)));
    take(parser.finish());
    if (before == Kind::reasoning) out += "}";
    if (step > text.size()) first = out;
    EXPECT_EQ(out, first) << step;
  }
  return first;
}

TEST(AnswerParser, CutsReasoningOffTheFront) {
  EXPECT_EQ(shown(nullptr, Reasoning::possible, "<think>\nhm </thin\n\nso\n</think>\n\nYes.\n"), "{hm </thin\n\nso}Yes.\n");
  EXPECT_EQ(shown(nullptr, Reasoning::possible, "\n<think>cut off\n"), "{cut off}");
  EXPECT_EQ(shown(nullptr, Reasoning::possible, "<think>\n\n</think>\n\nYes"), "Yes");
  EXPECT_EQ(shown(nullptr, Reasoning::possible, "No <think>x</think>"), "No <think>x</think>");
  EXPECT_EQ(shown(nullptr, Reasoning::possible, "<thi"), "<thi");
  EXPECT_EQ(shown(nullptr, Reasoning::begun, "hm\n</think>\nYes</think>"), "{hm}Yes</think>");
  EXPECT_EQ(shown(nullptr, Reasoning::none, "<think>x</think>y"), "<think>x</think>y");
}

TEST(AnswerParser, FindsCallsBehindReasoningAndWithoutItsEnd) {
  const ToolFormat* hermes = find_tool_format(text::ChatTemplate("<tool_call>"));
  const std::string call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>";
  EXPECT_EQ(shown(hermes, Reasoning::possible, "<think>\nhm\n</think>\n\nLook:\n" + call), "{hm}Look:\n[f]{}");
  EXPECT_EQ(shown(hermes, Reasoning::possible, "<think>\nhm\n" + call), "{hm}[f]{}");
  EXPECT_EQ(shown(hermes, Reasoning::begun, call), "[f]{}");
}

}  // namespace
}  // namespace lyceum::api
