// In the engine process: POST /api/chat and /api/generate (vectors: ../openai/embeddings.cpp).
#include "api/ollama/requests.h"
#include "api/ollama/style.h"
#include "api/openai/request_error.h"
#include "base/clock.h"

namespace lyceum::api {

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

}  // namespace lyceum::api
