#include "api/openai/chat_messages.h"

#include <fmt/format.h>

#include "api/openai/request_error.h"

namespace lyceum::api {
namespace {

// OpenAI's content is a string or a list of parts; templates are written for strings.
std::string read_content(const json::value& content, const std::string& param) {
  if (content.is_string()) return std::string(content.get_string());
  if (!content.is_array()) throw RequestError(param, param + " must be a string or a list of text parts");
  std::string text;
  for (const json::value& part : content.get_array()) {
    const json::object* object = part.if_object();
    const json::value* type = object ? object->if_contains("type") : nullptr;
    const json::value* piece = object ? object->if_contains("text") : nullptr;
    if (type == nullptr || !type->is_string() || type->get_string() != "text" || piece == nullptr || !piece->is_string()) {
      throw RequestError(param, param + " has a part that is not {\"type\": \"text\", \"text\": …}; this model reads text only", "unsupported_content");
    }
    text += piece->get_string();
  }
  return text;
}

// Templates write the arguments as JSON themselves, and the name before them.
json::object read_call(const json::value& call, const std::string& param) {
  const json::object* object = call.if_object();
  const json::value* given = object ? object->if_contains("function") : nullptr;
  const json::object* function = given != nullptr ? given->if_object() : nullptr;
  if (function == nullptr) throw RequestError(param, param + " must be {\"id\": …, \"type\": \"function\", \"function\": {\"name\": …, \"arguments\": …}}");
  const auto name = Fields(*function).text("name");
  const json::value* arguments = function->if_contains("arguments");
  if (!name || arguments == nullptr) throw RequestError(param, param + ".function must have a name and arguments");
  json::value parsed = *arguments;
  if (arguments->is_string()) {
    try {
      parsed = arguments->get_string().empty() ? json::value(json::object{}) : parse_json(arguments->get_string(), "arguments");
    } catch (const Error& error) {
      throw RequestError(param, fmt::format("{}.function.arguments is not JSON: {}", param, error.what()));
    }
  }
  if (!parsed.is_object()) throw RequestError(param, param + ".function.arguments must be a JSON object");
  json::object out = *object;
  out["type"] = "function";
  out["function"] = json::object{{"name", *name}, {"arguments", std::move(parsed)}};
  return out;
}

json::array read_calls(const json::value& calls, const std::string& param) {
  if (!calls.is_array()) throw RequestError(param, param + " must be a list");
  json::array out;
  for (const json::value& call : calls.get_array()) out.emplace_back(read_call(call, fmt::format("{}[{}]", param, out.size())));
  return out;
}

json::object read_message(const json::value& given, const std::string& param, bool with_tools) {
  if (!given.is_object()) throw RequestError(param, param + " must be an object");
  json::object message;
  for (const auto& [key, value] : given.get_object()) {
    if (!value.is_null()) message[key] = value;
  }
  const json::value* role = message.if_contains("role");
  if (role == nullptr || !role->is_string()) throw RequestError(param + ".role", param + ".role must be a string");
  if (role->get_string() == "developer") message["role"] = "system";  // OpenAI's newer name for it; templates know the older one
  if (const json::value* calls = message.if_contains("tool_calls")) {
    message["tool_calls"] = read_calls(*calls, param + ".tool_calls");
    if (message["tool_calls"].get_array().empty()) message.erase("tool_calls");
  }
  if (!with_tools && (message.contains("tool_calls") || message["role"] == json::value("tool"))) {
    throw RequestError(param, param + ": this model's chat template has no place for tool calls and their results that this server knows", "unsupported_content");
  }
  if (const json::value* content = message.if_contains("content")) {
    message["content"] = read_content(*content, param + ".content");
  } else if (message.contains("tool_calls")) {
    message["content"] = "";
  } else {
    throw RequestError(param + ".content", param + ".content is missing");
  }
  return message;
}

}  // namespace

json::array read_messages(const Fields& fields, bool with_tools) {
  const json::value* value = fields.find("messages");
  if (value == nullptr || !value->is_array() || value->get_array().empty()) throw RequestError("messages", "messages must be a list with at least one message");
  json::array messages;
  for (const json::value& one : value->get_array()) messages.emplace_back(read_message(one, fmt::format("messages[{}]", messages.size()), with_tools));
  return messages;
}

}  // namespace lyceum::api
