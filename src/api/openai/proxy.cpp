#include "api/openai/proxy.h"

#include <array>
#include <memory>

#include "api/answer.h"
#include "api/openai/engine_server.h"
#include "api/openai/fields.h"
#include "api/openai/model_target.h"
#include "api/openai/request_error.h"
#include "api/services.h"
#include "http/client.h"

namespace lyceum::api {
namespace {

constexpr unsigned kTimeoutSeconds = 3600;  // a long prompt on a slow machine; a client that goes away ends it sooner

// One request to an engine, alive as long as its answer is being passed on.
struct Proxied {
  RunningModel model;
  http::Client client;
  http::ClientResponse head;

  explicit Proxied(RunningModel given) : model(std::move(given)), client(model.lease.address(), kTimeoutSeconds) {}
};

// A broken connection most often means that the engine died: say so, with its last lines.
template <typename Work>
auto explained(EngineManager& engines, const Proxied& proxied, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    const std::string why = error.code() == Code::unavailable ? engines.why_it_failed(proxied.model.lease) : std::string();
    if (why.empty()) throw;
    throw Error(Code::unavailable, why, "engine_died");
  }
}

std::string read_rest(http::Client& client) {
  std::string all;
  std::array<std::byte, 65536> piece;
  while (const size_t got = client.read(piece)) all += as_text(Bytes(piece.data(), got));
  return all;
}

void pass_on(EngineManager& engines, Proxied& proxied, http::BodyWriter& writer, StreamError stream_error) {
  proxied.client.set_keep_waiting([&writer] { return !writer.client_gone(); });
  std::array<std::byte, 65536> piece;
  try {
    while (const size_t got = explained(engines, proxied, [&] { return proxied.client.read(piece); })) writer.write(as_text(Bytes(piece.data(), got)));
  } catch (const Error& error) {
    if (writer.client_gone()) throw;
    writer.write(stream_error(error));
  }
}

}  // namespace

http::Response pass_to_engine(Context& context, const std::string& target, const std::string& model, std::string body, StreamError stream_error, const std::string& content_type) {
  EngineManager& engines = context.services.engines;
  const auto proxied = std::make_shared<Proxied>(start_model(context, find_target(context, model)));
  http::ClientRequest request{.method = "POST", .target = target, .body = std::move(body), .keep_waiting = [&] { return !context.request.client_gone || !context.request.client_gone(); }};
  request.headers.set("Content-Type", content_type);
  request.headers.set(kAdapterHeader, proxied->model.adapter.name);
  proxied->head = explained(engines, *proxied, [&] { return proxied->client.begin(request); });
  http::Response response;
  response.status = proxied->head.status;
  for (const char* name : {"Content-Type", "Cache-Control", "X-Accel-Buffering", "X-Error-Code", "X-Error-Message"}) {
    if (const auto value = proxied->head.headers.find(name)) response.headers.set(name, *value);
  }
  const auto type = proxied->head.headers.find("Content-Type").value_or("");
  if (!type.starts_with("text/event-stream") && !type.starts_with("application/x-ndjson")) {
    response.body = explained(engines, *proxied, [&] { return read_rest(proxied->client); });
    return response;
  }
  response.stream = [proxied, &engines, stream_error](http::BodyWriter& writer) { pass_on(engines, *proxied, writer, stream_error); };
  return response;
}

ModelRequest read_model_request(Context& context) {
  ModelRequest out{{}, read_body(context, kModelBodyLimit)};
  const json::value body = parse_json(out.body, "the request body");
  if (!body.is_object()) throw Error(Code::invalid_argument, "The request body must be a JSON object");
  out.model = Fields(body.get_object()).text("model").value_or("");
  if (out.model.empty()) throw RequestError("model", "model is missing");
  return out;
}

}  // namespace lyceum::api
