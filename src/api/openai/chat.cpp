#include <fmt/format.h>

#include "api/openai/engine_handlers.h"
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

json::array read_messages(const Fields& fields) {
  const json::value* value = fields.find("messages");
  if (value == nullptr || !value->is_array() || value->get_array().empty()) throw RequestError("messages", "messages must be a list with at least one message");
  json::array messages;
  for (const json::value& one : value->get_array()) {
    const std::string param = fmt::format("messages[{}]", messages.size());
    if (!one.is_object()) throw RequestError(param, param + " must be an object");
    json::object message = one.get_object();
    const json::value* role = message.if_contains("role");
    if (role == nullptr || !role->is_string()) throw RequestError(param + ".role", param + ".role must be a string");
    if (role->get_string() == "developer") message["role"] = "system";  // OpenAI's newer name for it; templates know the older one
    const json::value* content = message.if_contains("content");
    if (content != nullptr && !content->is_null()) {
      message["content"] = read_content(*content, param + ".content");
    } else if (message.if_contains("tool_calls") == nullptr) {
      throw RequestError(param + ".content", param + ".content is missing");
    } else {
      message["content"] = "";
    }
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace

http::Response answer_chat(const EngineContext& context, http::Request& request) {
  const json::object body = read_request(request);
  const Fields fields(body);
  engine::Engine& engine = context.engine;
  const std::string adapter = adapter_of(context, request, fields);
  text::ChatInputs inputs;
  inputs.messages = read_messages(fields);
  GenerationJob job;
  job.endpoint = Endpoint::chat;
  job.model = model_label(context, fields);
  job.params = read_generation_params(fields, Endpoint::chat, context.generation_defaults, engine.tokenizer().vocab_size());
  if (engine.chat_template() == nullptr) {
    throw Error(Code::invalid_argument, "The model " + job.model + " has no chat template: it continues text, it does not converse. Use /v1/completions.", "no_chat_template");
  }
  if (const json::value* extra = fields.find("chat_template_kwargs")) {
    if (!extra->is_object()) throw RequestError("chat_template_kwargs", "chat_template_kwargs must be an object");
    inputs.extra = extra->get_object();
  }
  std::vector<int32_t> prompt;
  try {
    prompt = engine.render_chat(inputs);
  } catch (const Error& error) {
    if (error.code() != Code::invalid_argument) throw;
    throw RequestError("messages", std::string("The model's chat template refuses these messages: ") + error.what());  // raise_exception()
  }
  check_context(engine, prompt.size(), 1, "messages");
  for (uint32_t i = 0; i < job.params.n; ++i) job.requests.push_back(make_request(job.params, prompt, adapter, i));
  return answer_generation(engine, request, std::move(job));
}

}  // namespace lyceum::api
