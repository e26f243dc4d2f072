// tool_format.h: how the model families write tool calls: what their templates show them, so what they were trained on.
//
//   hermes   (Hermes, Qwen2.5, Qwen3)   text <tool_call>\n{"name": "f", "arguments": {…}}\n</tool_call>, several one below the other
//   mistral  (Mistral 7B v0.3, Nemo)    text, then the special token [TOOL_CALLS] and [{"name": "f", "arguments": {…}}, …]
//   llama3   (Llama 3.1 to 3.3)         {"name": "f", "parameters": {…}} as the whole answer, after <|python_tag|> or not; one call
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "grammar/grammar.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace lyceum::api {

struct ToolFormat {
  std::string_view family;
  std::string_view hint;        // a template with this text speaks the format
  std::string_view marker;      // what announces calls; empty: a call is the whole answer
  bool marker_is_special;       // the marker is a special token: the same letters as text are not allowed
  std::string_view open;        // the marker and what follows it before the first call
  std::string_view name;        // before a call's name
  std::string_view arguments;   // between name and arguments
  std::string_view end;         // after the arguments
  std::string_view between;     // after one call, before the next; empty: one call only
  std::string_view close;       // after the last call
  std::string_view optional_marker;   // special token that may come before `name` when there is no marker
  size_t id_size;               // letters of a call's id that the template asks for; 0: any
};

// Null if the template speaks none of the formats above.
const ToolFormat* find_tool_format(const text::ChatTemplate& chat_template);

struct ToolFunction {
  std::string name;
  json::value parameters;       // JSON schema of an object; null: no parameters
  // "strict": true asks for the schema, false for any object. Without it, the schema if it can be kept to, else any object.
  std::optional<bool> strict;
};

enum class ToolUse { allowed, required };

// What an answer may be: text and calls, or calls alone; arguments keep to their function's schema. Throws Error(invalid_argument) naming
// the function whose schema cannot be kept to.
grammar::Grammar tool_grammar(const ToolFormat& format, const text::Tokenizer& tokenizer, const std::vector<ToolFunction>& functions, ToolUse use, bool several);

// Takes an answer's text apart while it comes. One thread.
class ToolParser {
 public:
  explicit ToolParser(const ToolFormat& format) : format_(&format) {}

  struct Piece {
    enum class Kind { content, reasoning, call, arguments };   // reasoning comes from ReasoningSplit (answer_parser.h)
    Kind kind = Kind::content;
    size_t call = 0;            // number of the call, from 0
    std::string text;           // content or reasoning; the function's name; more of the arguments
    bool operator==(const Piece&) const = default;
  };
  std::vector<Piece> push(std::string_view text);
  std::vector<Piece> finish();  // content that had been held back
  size_t calls() const noexcept { return calls_; }   // begun so far

 private:
  enum class State { content, name, arguments, after, done };
  bool advance(std::vector<Piece>& out);   // false: more text is needed
  bool read_content(std::vector<Piece>& out);
  bool read_name(std::vector<Piece>& out);
  bool read_arguments(std::vector<Piece>& out);
  bool read_after();
  void emit_content(std::string text, std::vector<Piece>& out);

  const ToolFormat* format_;
  State state_ = State::content;
  std::string held_;
  std::string space_;           // white space at the beginning: shown only if text follows
  bool has_content_ = false;
  size_t calls_ = 0;
  int depth_ = 0;               // of the arguments' braces and brackets
  bool in_string_ = false, escaped_ = false;
};

}  // namespace lyceum::api
