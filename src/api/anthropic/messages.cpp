#include "api/anthropic/messages.h"

#include <fmt/format.h>

#include "api/openai/fields.h"
#include "api/openai/request_error.h"

namespace lyceum::api {
namespace {

constexpr size_t kMessagesMax = 100'000;   // Anthropic's

[[noreturn]] void refuse_block(const std::string& param, const std::string& type) {
  throw RequestError(param, fmt::format("{}: blocks of type {} are not supported here; models read text, tool_use and tool_result", param, type), "unsupported_content");
}

// A string, or blocks that are all text.
std::string read_text(const json::value& content, const std::string& param) {
  if (content.is_string()) return std::string(content.get_string());
  if (!content.is_array()) throw RequestError(param, param + " must be a string or a list of blocks");
  std::string out;
  size_t i = 0;
  for (const json::value& one : content.get_array()) {
    const std::string place = fmt::format("{}.{}", param, i++);
    const json::object& block = object_of(one, place);
    if (const std::string type = text_at(block, "type", place); type != "text") refuse_block(place, type);
    if (!out.empty()) out += "\n";
    out += text_at(block, "text", place);
  }
  return out;
}

// One message of theirs is one or more of OpenAI's: results of tools are messages of their own.
class MessageReader {
 public:
  MessageReader(json::array& out, std::string param) : out_(out), param_(std::move(param)) {}

  void read(const json::object& message) {
    role_ = text_at(message, "role", param_);
    if (role_ != "user" && role_ != "assistant" && role_ != "system") throw RequestError(param_ + ".role", param_ + ".role must be user or assistant");
    const json::value* content = message.if_contains("content");
    if (content == nullptr) throw RequestError(param_ + ".content", param_ + ".content is missing");
    if (!content->is_array()) {
      text_ = read_text(*content, param_ + ".content");
    } else {
      size_t i = 0;
      for (const json::value& block : content->get_array()) read_block(block, fmt::format("{}.content.{}", param_, i++));
    }
    if (text_.empty() && thoughts_.empty() && calls_.empty() && has_results_) return;
    json::object made{{"role", role_}, {"content", text_}};
    if (!thoughts_.empty()) made["reasoning_content"] = thoughts_;
    if (!calls_.empty()) made["tool_calls"] = std::move(calls_);
    out_.push_back(std::move(made));
  }

 private:
  void read_block(const json::value& value, const std::string& place) {
    const json::object& block = object_of(value, place);
    const std::string type = text_at(block, "type", place);
    if (type == "text") {
      text_ += text_at(block, "text", place);
    } else if (type == "tool_use" && role_ == "assistant") {
      const json::value* input = block.if_contains("input");
      if (input == nullptr || !input->is_object()) throw RequestError(place, place + ".input must be an object");
      calls_.push_back(json::object{{"id", text_at(block, "id", place)}, {"type", "function"}, {"function", json::object{{"name", text_at(block, "name", place)}, {"arguments", *input}}}});
    } else if (type == "tool_result" && role_ == "user") {
      const json::value* content = block.if_contains("content");
      const std::string text = content == nullptr || content->is_null() ? std::string() : read_text(*content, place + ".content");
      out_.push_back(json::object{{"role", "tool"}, {"tool_call_id", text_at(block, "tool_use_id", place)}, {"content", text}});
      has_results_ = true;
    } else if (type == "thinking" && role_ == "assistant") {
      thoughts_ += text_at(block, "thinking", place);
    } else if (type != "redacted_thinking") {   // which only its author can read
      refuse_block(place, type);
    }
  }

  json::array& out_;
  std::string param_, role_, text_, thoughts_;
  json::array calls_;
  bool has_results_ = false;
};

json::array read_all(const Fields& fields, std::string& begun) {
  json::array out;
  if (const json::value* system = fields.find("system")) {
    const std::string text = read_text(*system, "system");
    if (!text.empty()) out.push_back(json::object{{"role", "system"}, {"content", text}});
  }
  const json::value* messages = fields.find("messages");
  if (messages == nullptr || !messages->is_array() || messages->get_array().empty()) throw RequestError("messages", "messages must be a list with at least one message");
  if (messages->get_array().size() > kMessagesMax) throw RequestError("messages", fmt::format("messages may hold at most {} messages", kMessagesMax));
  size_t i = 0;
  for (const json::value& one : messages->get_array()) {
    const std::string param = fmt::format("messages.{}", i++);
    MessageReader(out, param).read(object_of(one, param));
  }
  json::object& last = out.back().get_object();
  if (last.at("role") != json::value("assistant") || last.contains("tool_calls")) return out;
  begun = last.at("content").get_string();
  out.pop_back();
  if (out.empty()) throw RequestError("messages", "messages must hold a message by the user");
  return out;
}

json::object read_tool(const json::value& value, const std::string& place) {
  const json::object& tool = object_of(value, place);
  const Fields fields(tool);
  if (const auto type = fields.text("type"); type && *type != "custom") {
    throw RequestError(place, fmt::format("{}: tools of type {} run at Anthropic and are not supported here; offer tools with a name and an input_schema", place, *type), "unsupported_parameter");
  }
  const json::value* schema = fields.find("input_schema");
  if (schema == nullptr || !schema->is_object()) throw RequestError(place, place + ".input_schema must be a JSON schema");
  json::object function{{"name", fields.text("name").value_or("")}, {"parameters", *schema}};
  if (const auto description = fields.text("description")) function["description"] = *description;
  if (const auto strict = fields.flag("strict"); strict && *strict) function["strict"] = true;
  return {{"type", "function"}, {"function", std::move(function)}};
}

void read_tools_into(const Fields& fields, json::object& chat) {
  const json::value* tools = fields.find("tools");
  if (tools != nullptr) {
    if (!tools->is_array()) throw RequestError("tools", "tools must be a list");
    json::array out;
    for (const json::value& tool : tools->get_array()) out.push_back(read_tool(tool, fmt::format("tools.{}", out.size())));
    if (!out.empty()) chat["tools"] = std::move(out);
  }
  const json::value* choice = fields.find("tool_choice");
  if (choice == nullptr) return;
  const Fields given(object_of(*choice, "tool_choice"));
  const std::string type = given.text("type").value_or("");
  if (type == "auto" || type == "none") {
    chat["tool_choice"] = type;
  } else if (type == "any") {
    chat["tool_choice"] = "required";
  } else if (type == "tool") {
    chat["tool_choice"] = json::object{{"type", "function"}, {"function", json::object{{"name", given.text("name").value_or("")}}}};
  } else {
    throw RequestError("tool_choice", "tool_choice.type must be auto, any, tool or none");
  }
  if (const auto alone = given.flag("disable_parallel_tool_use")) chat["parallel_tool_calls"] = !*alone;
}

// The form of the answer, from the field's newer place or its older one.
void read_format_into(const Fields& fields, json::object& chat) {
  const json::value* format = fields.find("output_format");
  const char* param = "output_format";
  if (const json::value* config = fields.find("output_config")) {
    if (const json::value* inside = Fields(object_of(*config, "output_config")).find("format")) {
      format = inside;
      param = "output_config.format";
    }
  }
  if (format == nullptr) return;
  const json::object& given = object_of(*format, param);
  const json::value* schema = given.if_contains("schema");
  if (text_at(given, "type", param) != "json_schema" || schema == nullptr) throw RequestError(param, std::string(param) + " must be {\"type\": \"json_schema\", \"schema\": {…}}");
  chat["response_format"] = json::object{{"type", "json_schema"}, {"json_schema", json::object{{"name", "answer"}, {"schema", *schema}}}};
}

void refuse_unsupported(const Fields& fields) {
  for (const char* name : {"mcp_servers", "container"}) {
    const json::value* value = fields.find(name);
    if (value == nullptr || (value->is_array() && value->get_array().empty())) continue;
    throw RequestError(name, std::string(name) + " is not supported: nothing is run or fetched for a request here", "unsupported_parameter");
  }
}

}  // namespace

MessagesRequest read_messages_request(const json::object& body, bool counting) {
  const Fields fields(body);
  refuse_unsupported(fields);
  MessagesRequest out;
  json::object& chat = out.chat;
  if (const json::value* model = fields.find("model")) chat["model"] = *model;
  chat["messages"] = read_all(fields, out.begun);
  read_tools_into(fields, chat);
  read_format_into(fields, chat);
  const json::value* thinking = fields.find("thinking");
  const std::string wanted = thinking == nullptr ? "disabled" : Fields(object_of(*thinking, "thinking")).text("type").value_or("");
  if (wanted != "enabled" && wanted != "adaptive" && wanted != "disabled") throw RequestError("thinking", "thinking.type must be enabled, adaptive or disabled");
  chat["chat_template_kwargs"] = json::object{{"enable_thinking", wanted != "disabled"}};
  if (counting) return out;
  const auto max_tokens = fields.integer("max_tokens", 1, INT32_MAX);
  if (!max_tokens) throw RequestError("max_tokens", "max_tokens is missing");
  chat["max_tokens"] = *max_tokens;
  for (const char* same : {"temperature", "top_p", "top_k", "stream"}) {
    if (const json::value* value = fields.find(same)) chat[same] = *value;
  }
  if (const json::value* stops = fields.find("stop_sequences")) {
    if (!stops->is_array()) throw RequestError("stop_sequences", "stop_sequences must be a list of strings");
    if (!stops->get_array().empty()) chat["stop"] = *stops;
  }
  return out;
}

}  // namespace lyceum::api
