// answer_style.h: what one API's answers look like on the wire. The generation behind them is the same for all (answer_generation.cpp): a
// style gets what the model said, taken apart already, and gives back JSON or the text of events.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/openai/engine_handlers.h"
#include "base/json.h"

namespace lyceum::api {

struct Usage {
  uint64_t prompt = 0, cached = 0, completion = 0;   // tokens; cached is a part of prompt
  double first_s = 0, total_s = 0;                   // from the beginning to the first token, and to the end
};

struct ToolCall {
  std::string id, name, arguments;   // arguments: JSON text
};

struct WholeChoice {
  std::string content, reasoning;
  std::vector<ToolCall> calls;
  std::vector<engine::GeneratedToken> tokens;   // if log-probabilities were asked for
  engine::GenerateResult result;
};

// One answer. One thread at a time.
class AnswerStyle {
 public:
  virtual ~AnswerStyle() = default;
  virtual json::object whole(std::vector<WholeChoice> choices, const Usage& usage) = 0;

  // A stream is begin(), then for every choice pieces()… and one end(), then finish(). What they return is sent as it is.
  virtual std::string_view stream_type() const { return "text/event-stream; charset=utf-8"; }
  virtual std::string begin() = 0;
  // token: where the pieces came from, if log-probabilities were asked for; pieces may then be empty.
  virtual std::string pieces(size_t choice, std::vector<ToolParser::Piece> pieces, const engine::GeneratedToken* token) = 0;
  virtual std::string end(size_t choice, const engine::GenerateResult& result, size_t calls) = 0;
  virtual std::string finish(const Usage& usage) = 0;
  virtual std::string keep_alive() { return ": still working\n\n"; }   // while nothing comes; empty: the form has none
  virtual std::string failure(const Error& error) = 0;                 // after begin()
};

// Called once the job has its final place, which outlives the style.
using MakeStyle = std::function<std::unique_ptr<AnswerStyle>(const engine::Engine&, const GenerationJob&)>;

std::unique_ptr<AnswerStyle> make_openai_style(const engine::Engine& engine, const GenerationJob& job);

// Runs the job and answers in that style, whole or as a stream. Throws Error for what is wrong before the first token.
http::Response answer_generation(engine::Engine& engine, const http::Request& request, GenerationJob job, const MakeStyle& make_style);

// An id that this family's template accepts.
std::string new_call_id(const ToolFormat& format);
// "event: <name>\ndata: <body>\n\n"
std::string named_event(std::string_view name, const json::object& body);

}  // namespace lyceum::api
