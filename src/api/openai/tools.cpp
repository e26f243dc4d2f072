#include "api/openai/tools.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/openai/request_error.h"
#include "api/openai/response_format.h"

namespace lyceum::api {
namespace {

constexpr size_t kToolsMax = 128;
constexpr size_t kNameMax = 64;

bool is_name(std::string_view name) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.'; };
  return !name.empty() && name.size() <= kNameMax && std::ranges::all_of(name, fits);
}

const json::object& function_of(const json::value& tool, const std::string& param) {
  const json::object* object = tool.if_object();
  const json::value* type = object != nullptr ? object->if_contains("type") : nullptr;
  if (type == nullptr || !type->is_string()) throw RequestError(param, param + " must be {\"type\": \"function\", \"function\": {…}}");
  if (type->get_string() != "function") throw RequestError(param, fmt::format("{}: tools of type {} are not supported; offer functions", param, std::string_view(type->get_string())), "unsupported_parameter");
  const json::value* function = object->if_contains("function");
  if (function == nullptr || !function->is_object()) throw RequestError(param, param + ".function must be an object");
  return function->get_object();
}

ToolFunction read_function(const json::value& tool, const std::string& param) {
  const json::object& object = function_of(tool, param);
  const Fields fields(object);
  ToolFunction out;
  out.name = fields.text("name").value_or("");
  if (!is_name(out.name)) throw RequestError(param, param + ".function.name must have 1 to 64 letters, digits, _, - or .");
  if (const json::value* parameters = fields.find("parameters")) {
    if (!parameters->is_object()) throw RequestError(param, param + ".function.parameters must be a JSON schema");
    out.parameters = *parameters;
    if (!parameters->get_object().contains("type")) out.parameters.get_object()["type"] = "object";
    if (out.parameters.get_object().at("type") != json::value("object")) throw RequestError(param, param + ".function.parameters must have type object");
  }
  out.strict = fields.flag("strict");
  return out;
}

std::vector<ToolFunction> read_functions(const json::value& tools) {
  if (!tools.is_array()) throw RequestError("tools", "tools must be a list");
  if (tools.get_array().size() > kToolsMax) throw RequestError("tools", fmt::format("tools may hold at most {} functions", kToolsMax));
  std::vector<ToolFunction> out;
  for (const json::value& tool : tools.get_array()) {
    ToolFunction function = read_function(tool, fmt::format("tools[{}]", out.size()));
    if (std::ranges::find(out, function.name, &ToolFunction::name) != out.end()) throw RequestError("tools", "tools has two functions named " + function.name);
    out.push_back(std::move(function));
  }
  return out;
}

struct Choice {
  ToolUse use = ToolUse::allowed;
  bool none = false;
  std::string only;   // the one function to call; empty: any
};

Choice read_choice(const json::value* choice) {
  Choice out;
  if (choice == nullptr) return out;
  if (choice->is_string()) {
    const std::string_view word = choice->get_string();
    if (word != "auto" && word != "none" && word != "required") throw RequestError("tool_choice", "tool_choice must be auto, none, required or {\"type\": \"function\", \"function\": {\"name\": …}}");
    out.none = word == "none";
    if (word == "required") out.use = ToolUse::required;
    return out;
  }
  const auto name = Fields(function_of(*choice, "tool_choice")).text("name");
  if (!name) throw RequestError("tool_choice", "tool_choice.function.name is missing");
  out.only = *name;
  out.use = ToolUse::required;
  return out;
}

}  // namespace

std::optional<ToolOffer> read_tools(const Fields& fields, engine::Engine& engine) {
  if (fields.find("functions") != nullptr) throw RequestError("functions", "functions is the old name; use tools", "unsupported_parameter");
  const Choice choice = read_choice(fields.find("tool_choice"));
  const json::value* tools = fields.find("tools");
  std::vector<ToolFunction> functions = tools == nullptr ? std::vector<ToolFunction>{} : read_functions(*tools);
  if (functions.empty() && choice.use == ToolUse::required) throw RequestError("tool_choice", "tool_choice asks for a call, but tools offers no function");
  if (functions.empty() || choice.none) return std::nullopt;
  if (fields.find("response_format") != nullptr && fields.find("response_format")->is_object() && fields.find("response_format")->get_object().contains("type") &&
      fields.find("response_format")->get_object().at("type") != json::value("text")) {
    throw RequestError("response_format", "response_format and tools do not go together here; offer a function whose parameters are the schema, with tool_choice required", "unsupported_parameter");
  }
  if (const auto gbnf = fields.text("grammar"); gbnf && !gbnf->empty()) throw RequestError("grammar", "grammar and tools do not go together");
  ToolOffer offer;
  offer.format = engine.chat_template() == nullptr ? nullptr : find_tool_format(*engine.chat_template());
  if (offer.format == nullptr) {
    throw RequestError("tools", "This model's chat template has no format for tool calls that this server knows (Hermes and Qwen <tool_call>, Mistral [TOOL_CALLS], Llama 3 JSON); describe the tools in a message instead", "unsupported_parameter");
  }
  if (!choice.only.empty()) {
    std::erase_if(functions, [&](const ToolFunction& function) { return function.name != choice.only; });
    if (functions.empty()) throw RequestError("tool_choice", "tool_choice names the function " + choice.only + ", which tools does not offer");
  }
  const bool several = fields.flag("parallel_tool_calls").value_or(true) && choice.only.empty();
  offer.shown = tools->get_array();
  const std::string key = fmt::format("tools {} {} {} {} {}", offer.format->family, choice.use == ToolUse::required, several, choice.only, json::serialize(*tools));
  offer.constraint = make_constraint(engine, "tools", key, [&] { return tool_grammar(*offer.format, engine.tokenizer(), functions, choice.use, several); });
  return offer;
}

}  // namespace lyceum::api
