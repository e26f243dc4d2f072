// engine_handlers.h: the handlers of the engine process. Each throws RequestError or Error; make_engine_router() gives
// them the shape of the API.
#pragma once

#include <string>
#include <vector>

#include "api/openai/answer_parser.h"
#include "api/openai/generation_params.h"
#include "base/json.h"
#include "engine/engine.h"
#include "http/message.h"

namespace lyceum::api {

struct EngineContext {
  engine::Engine& engine;
  std::string name;
  json::object generation_defaults;
  int64_t created = 0;  // seconds since 1970
};

http::Response answer_chat(const EngineContext& context, http::Request& request);
http::Response answer_completion(const EngineContext& context, http::Request& request);
http::Response answer_embeddings(const EngineContext& context, http::Request& request);
http::Response answer_score(const EngineContext& context, http::Request& request);
// anthropic/
http::Response answer_messages(const EngineContext& context, http::Request& request);
http::Response count_message_tokens(const EngineContext& context, http::Request& request);

// ollama/
http::Response answer_ollama_chat(const EngineContext& context, http::Request& request);
http::Response answer_ollama_generate(const EngineContext& context, http::Request& request);
http::Response answer_ollama_embed(const EngineContext& context, http::Request& request);
http::Response answer_ollama_embeddings(const EngineContext& context, http::Request& request);
// responses/
http::Response answer_response(const EngineContext& context, http::Request& request);
// llama/
http::Response answer_infill(const EngineContext& context, http::Request& request);
http::Response tokenize(const EngineContext& context, http::Request& request);
http::Response detokenize(const EngineContext& context, http::Request& request);
http::Response show_props(const EngineContext& context, http::Request& request);

json::object read_request(http::Request& request);
// The adapter a request is for: the hub's header, or a `model` that is the name of one; empty = the base. A `model` that is neither
// this model nor an adapter of it is Error(not_found, "model_not_found").
std::string adapter_of(const EngineContext& context, const http::Request& request, const Fields& fields);
std::string model_label(const EngineContext& context, const Fields& fields);
// Ids of a JSON array, checked against the vocabulary; nullopt if the array holds anything but integers.
std::optional<std::vector<int32_t>> find_token_ids(const json::array& array, size_t vocab, const char* param);
inline std::optional<std::vector<int32_t>> find_token_ids(const json::array& array, const engine::Engine& engine, const char* param) {
  return find_token_ids(array, engine.decoder().config.vocab, param);
}
// RequestError(context_length_exceeded) unless at least one token fits after the prompt.
void check_context(const engine::Engine& engine, size_t prompt_tokens, size_t answer_tokens, const char* param);

// --- answering a generation -----------------------------------------------------------------------------------------------
struct Echo {
  std::string text;                                   // before a choice
  std::vector<engine::GeneratedToken> tokens;         // the same with log-probabilities (NAN: none), if they were asked for
};
struct GenerationJob {
  Endpoint endpoint = Endpoint::chat;
  std::string model;                                  // as the client named it
  GenerationParams params;
  std::vector<engine::GenerateRequest> requests;      // one for each choice
  std::vector<Echo> prefixes;                         // `echo`: one a choice; may be empty
  size_t prompts = 1;                                 // choices / n
  const ToolFormat* tool_format = nullptr;            // the text may hold tool calls in this format
  Reasoning reasoning = Reasoning::none;              // the text may begin with it
  bool parses() const noexcept { return tool_format != nullptr || reasoning != Reasoning::none; }
};
engine::GenerateRequest make_request(const GenerationParams& params, std::vector<int32_t> prompt, const std::string& adapter, uint32_t choice);

// What other APIs can ask of a chat and OpenAI's body has no field for.
struct ChatWishes {
  std::string begun;         // how the answer begins: it goes on from there
  bool any_length = false;   // the prompt need not fit: it is only counted
};
// From a body in OpenAI's form, which the other APIs' bodies are turned into. Throw RequestError naming the field.
GenerationJob read_chat_job(const EngineContext& context, const http::Request& request, const json::object& body, const ChatWishes& wishes = {});
GenerationJob read_completion_job(const EngineContext& context, const http::Request& request, const json::object& body);

}  // namespace lyceum::api
