// engine_server.h: the engine process: one model behind OpenAI's API on a Unix socket (or a TCP port). It knows no users and no
// repositories; the hub process stands in front of it (api/openai/routes.cpp), or nobody does on a trusted machine.
//
// GET /health · GET /v1/models · POST /v1/chat/completions, /v1/completions, /v1/embeddings · POST /internal/score ·
// POST /internal/adapters {"name","path"} · DELETE /internal/adapters/{name}
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "http/server.h"

namespace lyceum::api {

// The hub names the adapter of a request here, so that the body with its public model name can pass unchanged.
constexpr std::string_view kAdapterHeader = "X-Lyceum-Adapter";

struct EngineServerOptions {
  std::filesystem::path model;                                            // as models::load_decoder takes
  std::string name;                                                       // shown as the model's id; empty: the folder's name
  std::vector<std::pair<std::string, std::filesystem::path>> adapters;    // (name, PEFT folder)
  http::ServerOptions http;                                               // unix_socket, or address and port
  engine::EngineOptions engine;
  bool stop_at_end_of_input = false;  // end when standard input closes: the hub that started us has gone, however it went
};

// Loads the model, serves, and returns after SIGTERM or SIGINT (or the end of standard input).
void run_engine_server(const EngineServerOptions& options);

// The routes alone. `engine` must outlive the router. generation_defaults: the model's generation_config.json.
http::Router make_engine_router(engine::Engine& engine, const std::string& name, const json::object& generation_defaults);

}  // namespace lyceum::api
