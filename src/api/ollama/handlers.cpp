// In the engine process: POST /api/chat, /api/generate, /api/embed and /api/embeddings.
#include "api/ollama/requests.h"
#include "api/ollama/style.h"
#include "api/openai/request_error.h"
#include "base/clock.h"

namespace lyceum::api {
namespace {

json::array vector_of(const EngineContext& context, const std::string& text, const std::string& adapter, bool truncate, uint64_t& tokens) {
  auto ids = context.engine.tokenizer().encode(text);
  if (truncate && ids.size() > context.engine.context()) ids.resize(context.engine.context());
  check_context(context.engine, ids.size(), 0, "input");
  tokens += ids.size();
  json::array out;
  if (ids.empty()) return out;
  for (const float one : context.engine.embed(ids, adapter)) out.emplace_back(one);
  return out;
}

std::vector<std::string> read_inputs(const Fields& fields) {
  const json::value* input = fields.find("input");
  if (input == nullptr) throw RequestError("input", "input is missing");
  std::vector<std::string> out;
  if (input->is_string()) out.emplace_back(input->get_string());
  if (input->is_array()) {
    for (const json::value& one : input->get_array()) {
      if (!one.is_string()) throw RequestError("input", "input must be a string or a list of strings");
      out.emplace_back(one.get_string());
    }
  } else if (!input->is_string()) {
    throw RequestError("input", "input must be a string or a list of strings");
  }
  return out;
}

}  // namespace

http::Response answer_ollama_chat(const EngineContext& context, http::Request& request) {
  return answer_generation(context.engine, request, read_chat_job(context, request, read_ollama_chat(read_request(request))), make_ollama_chat_style);
}

http::Response answer_ollama_generate(const EngineContext& context, http::Request& request) {
  const OllamaPrompt prompt = read_ollama_generate(read_request(request), context.engine.chat_template() != nullptr);
  if (prompt.empty) {   // by the time we are asked, the model is loaded
    json::object loaded = ollama_record(model_label(context, Fields(prompt.body)));
    for (auto& [key, value] : json::object{{"response", ""}, {"done", true}, {"done_reason", "load"}}) loaded[key] = value;
    return http::Response::json(json::serialize(loaded));
  }
  GenerationJob job = prompt.chat ? read_chat_job(context, request, prompt.body) : read_completion_job(context, request, prompt.body);
  return answer_generation(context.engine, request, std::move(job), make_ollama_text_style);
}

http::Response answer_ollama_embed(const EngineContext& context, http::Request& request) {
  const json::object body = read_request(request);
  const Fields fields(body);
  const std::string adapter = adapter_of(context, request, fields);
  const double begun_at = monotonic_seconds();
  const bool truncate = fields.flag("truncate").value_or(true);
  const int64_t width = context.engine.decoder().config.hidden;
  const auto dimensions = fields.integer("dimensions", 1, INT32_MAX);
  if (dimensions && *dimensions != width) throw RequestError("dimensions", "This model's embeddings have " + std::to_string(width) + " dimensions and cannot be shortened", "unsupported_parameter");
  uint64_t tokens = 0;
  json::array vectors;
  for (const std::string& text : read_inputs(fields)) vectors.push_back(vector_of(context, text, adapter, truncate, tokens));
  return http::Response::json(json::serialize(json::object{{"model", model_label(context, fields)},
                                                           {"embeddings", std::move(vectors)},
                                                           {"total_duration", static_cast<int64_t>((monotonic_seconds() - begun_at) * 1e9)},
                                                           {"load_duration", 0},
                                                           {"prompt_eval_count", tokens}}));
}

http::Response answer_ollama_embeddings(const EngineContext& context, http::Request& request) {
  const json::object body = read_request(request);
  const Fields fields(body);
  uint64_t tokens = 0;
  json::array vector = vector_of(context, fields.text("prompt").value_or(""), adapter_of(context, request, fields), true, tokens);
  return http::Response::json(json::serialize(json::object{{"embedding", std::move(vector)}}));
}

}  // namespace lyceum::api
