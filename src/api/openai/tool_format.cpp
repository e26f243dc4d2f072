#include "api/openai/tool_format.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/error.h"
#include "grammar/json_schema.h"
#include "text/unicode.h"

namespace lyceum::api {
namespace {

using grammar::CharSet;
using grammar::ExprId;
using grammar::Grammar;

constexpr std::array<ToolFormat, 3> kFormats = {{
    {"hermes", "<tool_call>", "<tool_call>", false, "<tool_call>\n", "{\"name\": \"", "\", \"arguments\": ", "}", "\n</tool_call>\n<tool_call>\n", "\n</tool_call>", "", 0},
    {"mistral", "[TOOL_CALLS][", "[TOOL_CALLS]", true, "[TOOL_CALLS][", "{\"name\": \"", "\", \"arguments\": ", "}", ", ", "]", "", 9},
    {"llama3", "\"parameters\": dictionary of argument name and its value", "", false, "", "{\"name\": \"", "\", \"parameters\": ", "}", "", "", "<|python_tag|>", 0},
}};

constexpr uint32_t kCallsMax = 32;

class ToolGrammar {
 public:
  ToolGrammar(const ToolFormat& format, const text::Tokenizer& tokenizer) : format_(format), tokenizer_(tokenizer), rules_(grammar_) {}

  Grammar make(const std::vector<ToolFunction>& functions, ToolUse use, bool several) {
    const ExprId call = rules_.as_rule("call", one_of(functions));   // from the name on
    std::vector<ExprId> parts{call};
    if (several && !format_.between.empty()) {
      parts.push_back(grammar_.repeat(rules_.as_rule("next", grammar_.sequence({text(format_.between), text(format_.name), call})), 0, kCallsMax - 1));
    }
    parts.push_back(text(format_.close));
    const ExprId calls = rules_.as_rule("calls", grammar_.sequence(std::move(parts)));   // what follows `open` and the first `name`
    const ExprId marked = format_.marker.empty() ? calls : grammar_.sequence({text(format_.open.substr(format_.marker.size())), text(format_.name), calls});
    grammar_.set_root(grammar_.add_rule("root", use == ToolUse::required ? calls_alone(marked) : format_.marker.empty() ? text_or_call(calls) : text_then_calls(marked)));
    return std::move(grammar_);
  }

 private:
  ExprId text(std::string_view bytes) { return grammar_.literal(bytes); }

  // f", "arguments": {…}}
  ExprId one_of(const std::vector<ToolFunction>& functions) {
    std::vector<ExprId> choices;
    for (const ToolFunction& function : functions) choices.push_back(grammar_.sequence({text(function.name), text(format_.arguments), arguments_of(function), text(format_.end)}));
    return grammar_.choice(std::move(choices));
  }

  ExprId arguments_of(const ToolFunction& function) {
    if (function.strict == false) return rules_.object();
    if (function.parameters.is_null()) return text("{}");
    if (!function.strict && !can_be_kept(function.parameters)) return rules_.object();
    try {
      return grammar::add_json_schema(rules_, function.parameters, function.name);
    } catch (const Error& error) {
      throw Error(error.code(), "the parameters of the function " + function.name + ": " + error.what() + "; without \"strict\": true its arguments are any JSON object");
    }
  }

  static bool can_be_kept(const json::value& schema) {
    try {
      grammar::json_schema_grammar(schema);
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  ExprId special(std::string_view token) {
    const auto id = tokenizer_.find_id(token);
    return id && tokenizer_.is_special(*id) ? grammar_.special_token(*id) : grammar_.choice({});
  }
  ExprId marker() { return format_.marker_is_special ? special(format_.marker) : text(format_.marker); }
  ExprId call_alone(ExprId calls) {
    const ExprId named = grammar_.sequence({text(format_.name), calls});
    return format_.optional_marker.empty() ? named : grammar_.choice({named, grammar_.sequence({special(format_.optional_marker), named})});
  }
  ExprId calls_alone(ExprId marked) { return format_.marker.empty() ? call_alone(marked) : grammar_.sequence({marker(), marked}); }

  // Text in which the marker does not occur, and then calls or the end. One rule for each part of the marker that may just have been
  // read (Knuth, Morris, Pratt 1977); a rule calls the next one last, so that no stack grows.
  ExprId text_then_calls(ExprId marked) {
    const std::string_view letters = format_.marker;
    std::vector<grammar::RuleId> rules;
    for (size_t i = 0; i < letters.size(); ++i) rules.push_back(grammar_.add_rule("text"));
    for (size_t i = 0; i < letters.size(); ++i) {
      std::vector<ExprId> choices{text("")};
      if (format_.marker_is_special) choices.push_back(grammar_.sequence({marker(), marked}));
      CharSet others = CharSet::all();
      for (const char32_t c : different_letters()) {
        others = others.minus(CharSet{{c, c}});
        const std::string letter(1, static_cast<char>(c));
        const size_t next = longest_part(std::string(letters.substr(0, i)) + letter);
        if (next < letters.size()) {
          choices.push_back(grammar_.sequence({text(letter), grammar_.reference(rules[next])}));
        } else if (!format_.marker_is_special) {
          choices.push_back(grammar_.sequence({text(letter), marked}));
        }
      }
      choices.push_back(grammar_.sequence({grammar_.chars(others), grammar_.reference(rules[0])}));
      grammar_.define(rules[i], grammar_.choice(std::move(choices)));
    }
    return grammar_.reference(rules[0]);
  }

  std::u32string different_letters() const {   // markers are ASCII
    std::u32string out;
    for (const char c : format_.marker) {
      if (out.find(static_cast<char32_t>(c)) == std::u32string::npos) out.push_back(static_cast<char32_t>(c));
    }
    return out;
  }
  // Bytes of the longest beginning of the marker that `read` ends with.
  size_t longest_part(std::string_view read) const {
    for (size_t size = std::min(read.size(), format_.marker.size()); size > 0; --size) {
      if (read.ends_with(format_.marker.substr(0, size))) return size;
    }
    return 0;
  }

  // A call, or text that does not begin like one.
  ExprId text_or_call(ExprId calls) {
    std::vector<Beginning> beginnings{{format_.name, calls}};
    if (!format_.optional_marker.empty()) beginnings.push_back({format_.optional_marker, grammar_.choice({})});
    const ExprId begun = unlike(beginnings);
    if (format_.optional_marker.empty()) return begun;
    return grammar_.choice({begun, grammar_.sequence({special(format_.optional_marker), text(format_.name), calls})});
  }

  struct Beginning {
    std::string_view text;
    ExprId after;
  };
  ExprId unlike(const std::vector<Beginning>& beginnings) {
    std::map<char32_t, std::vector<Beginning>> by_first;
    for (const Beginning& one : beginnings) {
      if (one.text.empty()) return one.after;
      by_first[static_cast<char32_t>(one.text[0])].push_back({one.text.substr(1), one.after});
    }
    CharSet others = CharSet::all();
    std::vector<ExprId> choices{text("")};
    for (const auto& [first, rest] : by_first) {
      others = others.minus(CharSet{{first, first}});
      choices.push_back(grammar_.sequence({text(std::string(1, static_cast<char>(first))), unlike(rest)}));
    }
    choices.push_back(grammar_.sequence({grammar_.chars(others), grammar_.repeat(grammar_.chars(CharSet::all()), 0)}));
    return grammar_.choice(std::move(choices));
  }

  const ToolFormat& format_;
  const text::Tokenizer& tokenizer_;
  Grammar grammar_;
  grammar::JsonRules rules_;
};

bool may_begin(std::string_view text, std::string_view whole) { return text.size() < whole.size() && whole.starts_with(text); }

}  // namespace

const ToolFormat* find_tool_format(const text::ChatTemplate& chat_template) {
  for (const ToolFormat& format : kFormats) {
    if (chat_template.mentions(format.hint)) return &format;
  }
  return nullptr;
}

grammar::Grammar tool_grammar(const ToolFormat& format, const text::Tokenizer& tokenizer, const std::vector<ToolFunction>& functions, ToolUse use, bool several) {
  return ToolGrammar(format, tokenizer).make(functions, use, several);
}

std::vector<ToolParser::Piece> ToolParser::push(std::string_view text) {
  std::vector<Piece> out;
  held_ += text;
  while (advance(out)) {
  }
  return out;
}

std::vector<ToolParser::Piece> ToolParser::finish() {
  std::vector<Piece> out;
  if (state_ == State::content) {
    has_content_ = true;
    emit_content(std::exchange(held_, {}), out);
  }
  return out;
}

bool ToolParser::advance(std::vector<Piece>& out) {
  switch (state_) {
    case State::content: return read_content(out);
    case State::name: return read_name(out);
    case State::arguments: return read_arguments(out);
    case State::after: return read_after();
    case State::done: break;
  }
  return false;
}

void ToolParser::emit_content(std::string text, std::vector<Piece>& out) {
  text = std::exchange(space_, {}) + text;
  if (!has_content_ && text.find_first_not_of(" \n\r\t") == std::string::npos) {
    space_ = std::move(text);
    return;
  }
  has_content_ = has_content_ || !text.empty();
  if (!text.empty()) out.push_back({Piece::Kind::content, 0, std::move(text)});
}

bool ToolParser::read_content(std::vector<Piece>& out) {
  if (format_->marker.empty()) {
    std::string_view rest = held_;
    if (has_content_ || !space_.empty()) rest = {};
    if (!rest.empty() && (may_begin(rest, format_->optional_marker) || may_begin(rest, format_->name))) return false;
    if (rest.starts_with(format_->optional_marker)) rest.remove_prefix(format_->optional_marker.size());
    if (rest.size() < held_.size() && may_begin(rest, format_->name)) return false;
    if (rest.starts_with(format_->name)) {
      held_ = std::string(rest.substr(format_->name.size()));
      state_ = State::name;
      return true;
    }
    emit_content(std::exchange(held_, {}), out);
    return false;
  }
  const size_t found = held_.find(format_->marker);
  if (found == std::string::npos) {
    size_t keep = std::min(held_.size(), format_->marker.size() - 1);
    while (!held_.ends_with(format_->marker.substr(0, keep))) --keep;
    emit_content(held_.substr(0, held_.size() - keep), out);
    held_.erase(0, held_.size() - keep);
    return false;
  }
  emit_content(held_.substr(0, found), out);
  held_.erase(0, found);
  const std::string begin = std::string(format_->open) + std::string(format_->name);
  if (may_begin(held_, begin)) return false;
  if (!held_.starts_with(begin)) {   // not under the grammar
    has_content_ = true;
    emit_content(held_.substr(0, 1), out);
    held_.erase(0, 1);
    return true;
  }
  held_.erase(0, begin.size());
  state_ = State::name;
  return true;
}

bool ToolParser::read_name(std::vector<Piece>& out) {
  const size_t end = held_.find(format_->arguments);
  if (end == std::string::npos) return false;
  out.push_back({Piece::Kind::call, calls_++, held_.substr(0, end)});
  held_.erase(0, end + format_->arguments.size());
  state_ = State::arguments;
  depth_ = 0;
  in_string_ = escaped_ = false;
  return true;
}

bool ToolParser::read_arguments(std::vector<Piece>& out) {
  size_t at = 0;
  bool whole = false;
  for (; at < held_.size() && !whole; ++at) {
    const char c = held_[at];
    if (in_string_) {
      in_string_ = escaped_ || c != '"';
      escaped_ = !escaped_ && c == '\\';
      continue;
    }
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    if (c == '}' || c == ']') whole = --depth_ == 0;
  }
  if (at > 0) out.push_back({Piece::Kind::arguments, calls_ - 1, held_.substr(0, at)});
  held_.erase(0, at);
  if (whole) state_ = State::after;
  return whole;
}

bool ToolParser::read_after() {
  const std::string next = std::string(format_->end) + std::string(format_->between) + std::string(format_->name);
  const std::string last = std::string(format_->end) + std::string(format_->close);
  if (!format_->between.empty() && held_.starts_with(next)) {
    held_.erase(0, next.size());
    state_ = State::name;
    return true;
  }
  const bool undecided = may_begin(held_, last) || (!format_->between.empty() && may_begin(held_, next));
  if (!undecided) state_ = State::done;
  return false;
}

}  // namespace lyceum::api
