#include "api/openai/engine_server.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <ctime>

#include "api/anthropic/error.h"
#include "api/ollama/style.h"
#include "api/openai/audio_server.h"
#include "api/openai/encoder_server.h"
#include "api/openai/engine_handlers.h"
#include "api/openai/request_error.h"
#include "base/files.h"
#include "base/log.h"

namespace lyceum::api {
namespace {

constexpr size_t kBodyLimit = 32u << 20;

http::Response models_list(const EngineContext& context) {
  json::array data;
  const auto add = [&](const std::string& id) { data.push_back(json::object{{"id", id}, {"object", "model"}, {"created", context.created}, {"owned_by", "lyceum"}}); };
  add(context.name);
  for (const std::string& adapter : context.engine.adapters()) add(adapter);
  return http::Response::json(json::serialize(json::object{{"object", "list"}, {"data", std::move(data)}}));
}

http::Response health(const EngineContext& context) {
  json::array adapters;
  for (const std::string& adapter : context.engine.adapters()) adapters.emplace_back(adapter);
  const models::Decoder& decoder = context.engine.decoder();
  return http::Response::json(json::serialize(json::object{{"status", "ok"},
                                                           {"model", context.name},
                                                           {"architecture", decoder.config.architecture},
                                                           {"parameters", decoder.parameters()},
                                                           {"context", context.engine.context()},
                                                           {"chat", context.engine.chat_template() != nullptr},
                                                           {"adapters", std::move(adapters)}}));
}

http::Response load_adapter(const EngineContext& context, http::Request& request) {
  const json::object body = read_request(request);
  const Fields fields(body);
  const auto name = fields.text("name");
  const auto path = fields.text("path");
  if (!name || name->empty()) throw RequestError("name", "name is missing");
  if (!path || path->empty()) throw RequestError("path", "path is missing");
  context.engine.load_adapter(*name, *path);
  return health(context);
}

http::Response unload_adapter(const EngineContext& context, http::Request& request) {
  context.engine.unload_adapter(request.param("name"));
  return health(context);
}

http::Response refuse_recording(const EngineContext& context, http::Request&) {
  throw Error(Code::unprocessable, "The model " + context.name + " (" + context.engine.decoder().config.architecture + ") does not listen; a Whisper model does", "model_does_not_transcribe");
}

json::object read_generation_defaults(const fs::path& model) {
  const fs::path path = fs::is_directory(model) ? model / "generation_config.json" : model.parent_path() / "generation_config.json";
  if (!fs::exists(path)) return {};
  return get_object(parse_json(read_file(path, 1u << 20), path.string()), path.string());
}

// SIGTERM and SIGINT are blocked in every thread (before any is started) and read here.
void wait_for_end(int signals, bool end_of_input_too) {
  while (true) {
    pollfd entries[2] = {{signals, POLLIN, 0}, {end_of_input_too ? STDIN_FILENO : -1, POLLIN, 0}};
    if (::poll(entries, 2, -1) < 0) continue;
    if (entries[0].revents != 0) return;
    char scratch[256];
    if (entries[1].revents != 0 && ::read(STDIN_FILENO, scratch, sizeof scratch) <= 0) return;
  }
}

}  // namespace

json::object read_request(http::Request& request) {
  const json::value value = parse_json(request.body->read_all(kBodyLimit), "the request body");
  if (!value.is_object()) throw Error(Code::invalid_argument, "The request body must be a JSON object");
  return value.get_object();
}

std::string model_label(const EngineContext& context, const Fields& fields) { return fields.text("model").value_or(context.name); }

std::string adapter_of(const EngineContext& context, const http::Request& request, const Fields& fields) {
  if (const auto header = request.headers.find(kAdapterHeader)) return std::string(*header);
  const std::string model = model_label(context, fields);
  if (model == context.name || model.empty()) return {};
  for (const std::string& adapter : context.engine.adapters()) {
    if (adapter == model) return adapter;
  }
  throw Error(Code::not_found, "The model `" + model + "` does not exist here; this engine serves `" + context.name + "`", "model_not_found");
}

std::optional<std::vector<int32_t>> find_token_ids(const json::array& array, size_t vocab_size, const char* param) {
  const auto vocab = static_cast<int64_t>(vocab_size);
  std::vector<int32_t> ids;
  for (const json::value& one : array) {
    const auto id = find_integer(one);
    if (!id) return std::nullopt;
    if (*id < 0 || *id >= vocab) throw RequestError(param, fmt::format("{}: {} is not the id of a token of this model (0 to {})", param, *id, vocab - 1));
    ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

void check_context(const engine::Engine& engine, size_t prompt_tokens, size_t answer_tokens, const char* param) {
  if (prompt_tokens + answer_tokens <= engine.context()) return;
  throw RequestError(param, fmt::format("This model's context is {} tokens; {} has {}. Shorten it.", engine.context(), param, prompt_tokens), "context_length_exceeded");
}

http::Router make_engine_router(engine::Engine& engine, const std::string& name, const json::object& generation_defaults) {
  const auto context = std::make_shared<EngineContext>(EngineContext{engine, name, generation_defaults, std::time(nullptr)});
  http::Router router;
  const auto add = [&](const char* method, const char* pattern, http::Response (*handler)(const EngineContext&, http::Request&), std::string (*error_text)(const Error&) = openai_error_text) {
    router.add({method, pattern, [context, handler, error_text](http::Request& request) {
                  try {
                    return handler(*context, request);
                  } catch (const Error& error) {
                    http::Response response = http::error_response(error);
                    response.body = error_text(error);
                    return response;
                  }
                }});
  };
  add("GET", "/health", [](const EngineContext& given, http::Request&) { return health(given); });
  add("GET", "/v1/models", [](const EngineContext& given, http::Request&) { return models_list(given); });
  add("POST", "/v1/chat/completions", answer_chat);
  add("POST", "/v1/completions", answer_completion);
  add("POST", "/v1/embeddings", answer_embeddings);
  add("POST", "/v1/messages", answer_messages, anthropic_error_text);
  add("POST", "/v1/messages/count_tokens", count_message_tokens, anthropic_error_text);
  add("POST", "/api/chat", answer_ollama_chat, ollama_error_text);
  add("POST", "/api/generate", answer_ollama_generate, ollama_error_text);
  add("POST", "/api/embed", answer_ollama_embed, ollama_error_text);
  add("POST", "/api/embeddings", answer_ollama_embeddings, ollama_error_text);
  add("POST", "/v1/responses", answer_response);
  add("POST", "/infill", answer_infill);
  add("POST", "/tokenize", tokenize);
  add("POST", "/detokenize", detokenize);
  add("GET", "/props", show_props);
  for (const char* pattern : {"/v1/audio/transcriptions", "/v1/audio/translations"}) add("POST", pattern, refuse_recording);
  add("POST", "/internal/score", answer_score);
  add("POST", "/internal/adapters", load_adapter);
  add("DELETE", "/internal/adapters/{name}", unload_adapter);
  return router;
}

void run_engine_server(const EngineServerOptions& options) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const UniqueFd signal_fd(::signalfd(-1, &signals, SFD_CLOEXEC));
  const std::string name = options.name.empty() ? options.model.filename().string() : options.name;
  const auto serve = [&](http::Router router) {
    http::Server server(std::move(router), options.http);
    server.start();
    log::info("engine {}: ready", name);
    wait_for_end(signal_fd.get(), options.stop_at_end_of_input);
    server.stop();
  };
  if (models::is_whisper(options.model)) {
    if (!options.adapters.empty()) throw Error(Code::unsupported, "adapters of Whisper are not implemented");
    const auto transcriber = engine::Transcriber::open(options.model, options.engine.threads);
    return serve(make_audio_router(*transcriber, name));
  }
  if (models::is_encoder(options.model)) {
    if (!options.adapters.empty()) throw Error(Code::unsupported, "adapters of encoders are not implemented");
    const auto encoder = engine::TextEncoder::open(options.model, options.engine.threads);
    return serve(make_encoder_router(*encoder, name));
  }
  const auto engine = engine::Engine::open(options.model, options.engine);
  for (const auto& [adapter, folder] : options.adapters) engine->load_adapter(adapter, folder);
  serve(make_engine_router(*engine, name, read_generation_defaults(options.model)));
}

}  // namespace lyceum::api
