#include <algorithm>
#include <span>

#include "api/openai/answer_style.h"
#include "api/openai/chat_messages.h"
#include "api/openai/request_error.h"
#include "api/openai/response_format.h"
#include "api/openai/tools.h"

namespace lyceum::api {
namespace {

std::vector<int32_t> render(const engine::Engine& engine, const text::ChatInputs& inputs) {
  try {
    return engine.render_chat(inputs);
  } catch (const Error& error) {
    if (error.code() != Code::invalid_argument) throw;
    throw RequestError("messages", std::string("The model's chat template refuses these messages: ") + error.what());  // raise_exception()
  }
}

// Where the answer of this model may think aloud. reasoning_format: "auto", or "none" to leave the text as it is (llama.cpp's names).
Reasoning find_reasoning(const Fields& fields, const engine::Engine& engine, std::span<const int32_t> prompt, bool constrained) {
  const std::string wanted = fields.text("reasoning_format").value_or("auto");
  if (wanted != "auto" && wanted != "deepseek" && wanted != "none") throw RequestError("reasoning_format", "reasoning_format must be auto, deepseek (the same) or none");
  if (wanted == "none" || !engine.chat_template()->mentions("</think>")) return Reasoning::none;
  constexpr size_t kLast = 8;
  std::string end = engine.tokenizer().decode(prompt.last(std::min(prompt.size(), kLast)), false);
  end.resize(end.find_last_not_of(" \n") + 1);
  return end.ends_with("<think>") && !constrained ? Reasoning::begun : Reasoning::possible;
}

}  // namespace

GenerationJob read_chat_job(const EngineContext& context, const http::Request& request, const json::object& body, const ChatWishes& wishes) {
  const Fields fields(body);
  engine::Engine& engine = context.engine;
  const std::string adapter = adapter_of(context, request, fields);
  const bool knows_tools = engine.chat_template() != nullptr && find_tool_format(*engine.chat_template()) != nullptr;
  text::ChatInputs inputs;
  inputs.messages = read_messages(fields, knows_tools);
  GenerationJob job;
  job.endpoint = Endpoint::chat;
  job.model = model_label(context, fields);
  job.params = read_generation_params(fields, Endpoint::chat, context.generation_defaults, engine.tokenizer().vocab_size());
  if (engine.chat_template() == nullptr) {
    throw Error(Code::invalid_argument, "The model " + job.model + " has no chat template: it continues text, it does not converse. Use /v1/completions.", "no_chat_template");
  }
  if (auto offer = read_tools(fields, engine)) {
    inputs.tools = std::move(offer->shown);
    job.params.constraint = offer->constraint;
    job.params.show_special = true;   // the tokens that mark calls; the constraint allows no others
    job.tool_format = offer->format;
  } else {
    job.params.constraint = read_response_format(fields, engine);
  }
  if (const json::value* extra = fields.find("chat_template_kwargs")) {
    if (!extra->is_object()) throw RequestError("chat_template_kwargs", "chat_template_kwargs must be an object");
    inputs.extra = extra->get_object();
  }
  std::vector<int32_t> prompt = render(engine, inputs);
  if (!wishes.begun.empty()) {
    const auto begun = engine.tokenizer().encode(wishes.begun, {.add_special_tokens = false, .parse_special = false});
    prompt.insert(prompt.end(), begun.begin(), begun.end());
  }
  job.reasoning = find_reasoning(fields, engine, prompt, job.params.constraint != nullptr && job.tool_format == nullptr);
  if (!wishes.any_length) check_context(engine, prompt.size(), 1, "messages");
  for (uint32_t i = 0; i < job.params.n; ++i) job.requests.push_back(make_request(job.params, prompt, adapter, i));
  return job;
}

http::Response answer_chat(const EngineContext& context, http::Request& request) {
  return answer_generation(context.engine, request, read_chat_job(context, request, read_request(request)), make_openai_style);
}

}  // namespace lyceum::api
