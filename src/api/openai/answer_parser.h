// answer_parser.h: the text of a chat answer, as it comes, into what OpenAI's clients are shown: reasoning, content, tool calls.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/openai/tool_format.h"

namespace lyceum::api {

// Whether a model thinks aloud before it answers, in <think>…</think>.
enum class Reasoning {
  none,       // or it is to stay where it is
  possible,   // if the answer begins with <think>
  begun,      // the prompt ended with <think>
};

// Cuts reasoning off the front of a text. One thread.
class ReasoningSplit {
 public:
  // end: what ends reasoning besides </think>, and belongs to what follows (the marker of tool calls); may be empty.
  ReasoningSplit(Reasoning reasoning, std::string_view end);

  struct Parts {
    std::string reasoning, rest;
  };
  Parts push(std::string_view text);
  Parts finish();

 private:
  enum class State { before, inside, behind, after };
  bool advance(Parts& out);   // false: more text is needed
  void show_reasoning(std::string text, Parts& out);

  State state_;
  std::string end_;
  std::string held_;
  std::string space_;          // line ends that are shown only if reasoning goes on
  bool shown_ = false;         // some reasoning
};

// Reasoning first, tool calls in what is left. One thread.
class AnswerParser {
 public:
  AnswerParser(const ToolFormat* tools, Reasoning reasoning);   // tools: null if none were offered
  std::vector<ToolParser::Piece> push(std::string_view text);
  std::vector<ToolParser::Piece> finish();
  size_t calls() const noexcept { return tools_ ? tools_->calls() : 0; }

 private:
  std::vector<ToolParser::Piece> pieces_of(ReasoningSplit::Parts parts);
  std::optional<ToolParser> tools_;
  ReasoningSplit reasoning_;
};

}  // namespace lyceum::api
