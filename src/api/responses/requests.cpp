#include "api/responses/requests.h"

#include <fmt/format.h>

#include "api/openai/fields.h"
#include "api/openai/request_error.h"

namespace lyceum::api {
namespace {

constexpr size_t kItemsMax = 100'000;

// A string, or parts that are all text.
std::string read_text(const json::object& object, const char* key, const std::string& item) {
  const std::string param = item + "." + key;
  const json::value* content = object.if_contains(key);
  if (content == nullptr) throw RequestError(param, param + " is missing");
  if (content->is_string()) return std::string(content->get_string());
  if (!content->is_array()) throw RequestError(param, param + " must be a string or a list of parts");
  std::string out;
  for (const json::value& one : content->get_array()) {
    const json::object& part = object_of(one, param);
    const std::string type = text_at(part, "type", param);
    if (type == "refusal") {
      out += text_at(part, "refusal", param);
      continue;
    }
    if (type != "input_text" && type != "output_text" && type != "text" && type != "reasoning_text" && type != "summary_text") {
      throw RequestError(param, fmt::format("{}: parts of type {} are not supported; models here read text", param, type), "unsupported_content");
    }
    out += text_at(part, "text", param);
  }
  return out;
}

// Items that belong to one turn of the assistant (reasoning, a message, calls) become one message.
class ItemReader {
 public:
  explicit ItemReader(json::array& out) : out_(out) {}

  void read(const json::value& value, const std::string& param) {
    const json::object& item = object_of(value, param);
    const std::string type = Fields(item).text("type").value_or("message");
    if (type == "message") {
      read_message(item, param);
    } else if (type == "function_call") {
      json::object call{{"id", text_at(item, "call_id", param)}, {"type", "function"}, {"function", json::object{{"name", full_name(item, param)}, {"arguments", text_at(item, "arguments", param)}}}};
      json::object& turn = assistant();
      if (!turn.contains("tool_calls")) turn["tool_calls"] = json::array{};
      turn["tool_calls"].get_array().push_back(std::move(call));
    } else if (type == "function_call_output") {
      out_.push_back(json::object{{"role", "tool"}, {"tool_call_id", text_at(item, "call_id", param)}, {"content", read_text(item, "output", param)}});
    } else if (type == "reasoning") {
      const json::value* content = item.if_contains("content");
      const std::string text = content == nullptr || content->is_null() ? std::string() : read_text(item, "content", param);
      if (!text.empty()) assistant()["reasoning_content"] = text;
    } else {
      throw RequestError(param, fmt::format("{}: items of type {} are not supported; send messages, function_call and function_call_output", param, type), "unsupported_content");
    }
  }

 private:
  static std::string full_name(const json::object& call, const std::string& param) {
    const auto space = Fields(call).text("namespace");
    return (space && !space->empty() ? *space + "." : "") + text_at(call, "name", param);
  }

  void read_message(const json::object& item, const std::string& param) {
    const std::string role = text_at(item, "role", param), text = read_text(item, "content", param);
    if (role != "user" && role != "assistant" && role != "system" && role != "developer") throw RequestError(param + ".role", param + ".role must be user, assistant, system or developer");
    if (role != "assistant") {
      out_.push_back(json::object{{"role", role}, {"content", text}});
    } else {
      json::object& turn = assistant();
      turn["content"] = std::string(turn.at("content").get_string()) + text;
    }
  }

  json::object& assistant() {
    if (out_.empty() || out_.back().at("role") != json::value("assistant")) out_.push_back(json::object{{"role", "assistant"}, {"content", ""}});
    return out_.back().get_object();
  }

  json::array& out_;
};

json::array read_input(const Fields& fields) {
  json::array out;
  if (const auto instructions = fields.text("instructions"); instructions && !instructions->empty()) out.push_back(json::object{{"role", "system"}, {"content", *instructions}});
  const json::value* input = fields.find("input");
  if (input == nullptr) throw RequestError("input", "input is missing");
  if (input->is_string()) {
    out.push_back(json::object{{"role", "user"}, {"content", input->get_string()}});
    return out;
  }
  if (!input->is_array() || input->get_array().empty()) throw RequestError("input", "input must be a string, or a list of items that is not empty");
  if (input->get_array().size() > kItemsMax) throw RequestError("input", fmt::format("input may hold at most {} items", kItemsMax));
  ItemReader reader(out);
  size_t i = 0;
  for (const json::value& item : input->get_array()) reader.read(item, fmt::format("input[{}]", i++));
  if (out.empty()) throw RequestError("input", "input must hold a message");
  return out;
}

// {"type": "function", "name", …} as chat has it: the same inside "function".
json::object function_of(const json::value& value, const std::string& param) {
  json::object function = object_of(value, param);
  const std::string type = text_at(function, "type", param);
  if (type != "function") throw RequestError(param, fmt::format("{}: tools of type {} are not supported; offer functions", param, type), "unsupported_parameter");
  function.erase("type");
  return {{"type", "function"}, {"function", std::move(function)}};
}

// The functions of {"type": "namespace", "name", "tools"}.
void add_namespace(const json::object& given, const std::string& param, ResponsesRequest& request, json::array& out) {
  const std::string space = text_at(given, "name", param);
  const json::value* tools = given.if_contains("tools");
  if (tools == nullptr || !tools->is_array()) throw RequestError(param, param + ".tools must be a list");
  for (const json::value& tool : tools->get_array()) {
    json::object made = function_of(tool, param + ".tools");
    json::object& function = made["function"].get_object();
    const std::string name = text_at(function, "name", param + ".tools"), full = space + "." + name;
    function["name"] = full;
    request.namespaced[full] = {space, name};
    out.push_back(std::move(made));
  }
}

void read_tools_into(const Fields& fields, ResponsesRequest& request) {
  json::object& chat = request.chat;
  if (const json::value* tools = fields.find("tools")) {
    if (!tools->is_array()) throw RequestError("tools", "tools must be a list");
    json::array out;
    size_t i = 0;
    for (const json::value& tool : tools->get_array()) {
      const std::string param = fmt::format("tools[{}]", i++);
      const json::object& given = object_of(tool, param);
      if (text_at(given, "type", param) == "namespace") {
        add_namespace(given, param, request, out);
      } else {
        out.push_back(function_of(tool, param));
      }
    }
    if (!out.empty()) chat["tools"] = std::move(out);
  }
  if (const json::value* choice = fields.find("tool_choice")) chat["tool_choice"] = choice->is_object() ? json::value(function_of(*choice, "tool_choice")) : *choice;
  if (const json::value* several = fields.find("parallel_tool_calls")) chat["parallel_tool_calls"] = *several;
}

void read_format_into(const Fields& fields, json::object& chat) {
  const json::value* text = fields.find("text");
  const json::value* format = text == nullptr ? nullptr : Fields(object_of(*text, "text")).find("format");
  if (format == nullptr) return;
  json::object given = object_of(*format, "text.format");
  const std::string type = text_at(given, "type", "text.format");
  if (type == "text") return;
  if (type != "json_schema") {
    chat["response_format"] = json::object{{"type", type}};
    return;
  }
  if (!given.contains("schema")) throw RequestError("text.format", "text.format.schema is missing");
  given.erase("type");
  chat["response_format"] = json::object{{"type", "json_schema"}, {"json_schema", std::move(given)}};
}

void refuse_unsupported(const Fields& fields) {
  const auto refuse = [](const char* name, const char* why) { throw RequestError(name, std::string(name) + " is not supported: " + why, "unsupported_parameter"); };
  for (const char* name : {"previous_response_id", "conversation", "prompt"}) {
    if (fields.find(name) != nullptr) refuse(name, "nothing is kept between requests here; send the whole conversation as input");
  }
  if (fields.flag("background").value_or(false)) refuse("background", "an answer belongs to its request");
  if (fields.text("truncation").value_or("disabled") != "disabled") refuse("truncation", "input that does not fit is refused");
  if (fields.integer("top_logprobs", 0, 20).value_or(0) > 0) refuse("top_logprobs", "/v1/chat/completions gives log-probabilities");
  if (fields.find("max_tool_calls") != nullptr) refuse("max_tool_calls", "no tool is run here; parallel_tool_calls false asks for one call");
}

}  // namespace

ResponsesRequest read_responses_request(const json::object& body) {
  const Fields fields(body);
  refuse_unsupported(fields);
  ResponsesRequest out;
  json::object& chat = out.chat;
  for (const char* same : {"model", "temperature", "top_p", "stream"}) {
    if (const json::value* value = fields.find(same)) chat[same] = *value;
  }
  chat["messages"] = read_input(fields);
  read_tools_into(fields, out);
  read_format_into(fields, chat);
  if (const auto tokens = fields.integer("max_output_tokens", 1, INT32_MAX)) chat["max_tokens"] = *tokens;
  if (const json::value* reasoning = fields.find("reasoning")) {
    const auto effort = Fields(object_of(*reasoning, "reasoning")).text("effort");
    if (effort) chat["chat_template_kwargs"] = json::object{{"enable_thinking", *effort != "none"}};
  }
  const json::object otherwise{{"instructions", nullptr}, {"max_output_tokens", nullptr}, {"metadata", json::object{}}, {"parallel_tool_calls", true}, {"temperature", nullptr}, {"top_p", nullptr},
                               {"tool_choice", "auto"}, {"tools", json::array{}}, {"text", json::object{{"format", json::object{{"type", "text"}}}}}, {"reasoning", nullptr}};
  for (const auto& [key, value] : otherwise) {
    const json::value* given = fields.find(key);
    out.echo[key] = given != nullptr ? *given : value;
  }
  return out;
}

}  // namespace lyceum::api
