#include "api/openai/encoder_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <numeric>

#include "api/ollama/style.h"
#include "api/openai/embeddings.h"
#include "api/openai/engine_handlers.h"
#include "api/openai/request_error.h"
#include "http/server.h"

namespace lyceum::api {
namespace {

constexpr size_t kDocumentsMax = 1024;
constexpr size_t kDocumentsAtOnce = 16;   // between looks for a client that has gone

struct EncoderContext {
  engine::TextEncoder& encoder;
  std::string name;
  int64_t created = 0;   // seconds since 1970
};

std::string label_of(const EncoderContext& context, const Fields& fields) {
  if (const auto model = fields.text("model"); model && !model->empty()) return *model;
  return context.name;
}

EmbeddingModel embedding_model(const EncoderContext& context, const Fields& fields) {
  engine::TextEncoder& encoder = context.encoder;
  EmbeddingModel model{label_of(context, fields), encoder.encoder().config.vocab, encoder.context(), encoder.dimensions(), {}, {}};
  model.encode = [&encoder](const std::string& text, bool cut) { return encoder.encode(text, cut).ids; };
  model.embed = [&encoder](std::span<const std::vector<int32_t>> inputs) {
    std::vector<engine::EncoderInput> texts;
    for (const auto& ids : inputs) texts.push_back({ids});
    return encoder.embed(texts);
  };
  return model;
}

std::vector<std::string> read_documents(const Fields& fields) {
  const auto refuse = [] { throw RequestError("documents", fmt::format("documents must be a list of 1 to {} texts, or of objects with a \"text\"", kDocumentsMax)); };
  const json::value* value = fields.find("documents");
  if (value == nullptr || !value->is_array() || value->get_array().empty() || value->get_array().size() > kDocumentsMax) refuse();
  std::vector<std::string> out;
  for (const json::value& one : value->get_array()) {
    const json::value* text = one.is_object() ? one.get_object().if_contains("text") : &one;
    if (text == nullptr || !text->is_string()) refuse();
    out.emplace_back(text->get_string());
  }
  return out;
}

// Scores of all documents, as they come; with an activation as sentence-transformers' CrossEncoder has it, unless raw ones are wanted.
std::vector<float> score_documents(engine::TextEncoder& encoder, const http::Request& request, std::span<const engine::EncoderInput> pairs, bool raw) {
  std::vector<float> scores;
  for (size_t begin = 0; begin < pairs.size(); begin += kDocumentsAtOnce) {
    if (request.client_gone && request.client_gone()) throw Error(Code::unavailable, "The client has gone");
    for (const float score : encoder.rank(pairs.subspan(begin, std::min(kDocumentsAtOnce, pairs.size() - begin)))) scores.push_back(raw ? score : 1.0f / (1.0f + std::exp(-score)));
  }
  return scores;
}

// Jina's and Cohere's form: {"query", "documents", "top_n", "return_documents"} -> "results", best first.
http::Response rerank(const EncoderContext& context, http::Request& request) {
  const json::object body = read_request(request);
  const Fields fields(body);
  engine::TextEncoder& encoder = context.encoder;
  if (!encoder.ranks()) throw Error(Code::unprocessable, "This model does not rank: " + encoder.encoder().config.architecture + " with one label is needed, such as a cross-encoder", "model_does_not_rank");
  const auto query = fields.text("query");
  if (!query || query->empty()) throw RequestError("query", "query must be a text");
  const std::vector<std::string> documents = read_documents(fields);
  const auto most = static_cast<size_t>(fields.integer("top_n", 1, INT32_MAX).value_or(static_cast<int64_t>(documents.size())));
  const bool returns = fields.flag("return_documents").value_or(false), cut = fields.flag("truncate").value_or(false);
  std::vector<engine::EncoderInput> pairs;
  uint64_t tokens = 0;
  for (const std::string& document : documents) {
    pairs.push_back(encoder.encode_pair(*query, document, cut));
    tokens += pairs.back().ids.size();
    if (pairs.back().ids.size() <= encoder.context()) continue;
    throw RequestError("documents", fmt::format("This model reads {} tokens; the query and document {} have {}. Shorten them, or ask with \"truncate\": true.", encoder.context(), pairs.size() - 1, pairs.back().ids.size()),
                       "context_length_exceeded");
  }
  const std::vector<float> scores = score_documents(encoder, request, pairs, fields.flag("raw_scores").value_or(false));
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater<>(), [&](size_t i) { return scores[i]; });
  order.resize(std::min(order.size(), most));
  json::array results;
  for (const size_t i : order) {
    json::object row{{"index", i}, {"relevance_score", scores[i]}};
    if (returns) row["document"] = json::object{{"text", documents[i]}};
    results.push_back(std::move(row));
  }
  return http::Response::json(json::serialize(
      json::object{{"object", "list"}, {"model", label_of(context, fields)}, {"results", std::move(results)}, {"usage", json::object{{"prompt_tokens", tokens}, {"total_tokens", tokens}}}}));
}

http::Response embeddings(const EncoderContext& context, http::Request& request) {
  const json::object body = read_request(request);
  const Fields fields(body);
  return answer_openai_embeddings(embedding_model(context, fields), request, fields);
}

http::Response ollama_embed(const EncoderContext& context, http::Request& request) {
  const json::object body = read_request(request);
  const Fields fields(body);
  return answer_ollama_embed(embedding_model(context, fields), fields);
}

http::Response ollama_embeddings(const EncoderContext& context, http::Request& request) {
  const json::object body = read_request(request);
  const Fields fields(body);
  return answer_ollama_embeddings(embedding_model(context, fields), fields);
}

http::Response health(const EncoderContext& context, http::Request&) {
  const models::Encoder& encoder = context.encoder.encoder();
  return http::Response::json(json::serialize(json::object{{"status", "ok"},
                                                           {"model", context.name},
                                                           {"architecture", encoder.config.architecture},
                                                           {"parameters", encoder.parameters()},
                                                           {"context", context.encoder.context()},
                                                           {"dimensions", context.encoder.dimensions()},
                                                           {"ranks", context.encoder.ranks()},
                                                           {"adapters", json::array()}}));
}

http::Response models_list(const EncoderContext& context, http::Request&) {
  json::array data{json::object{{"id", context.name}, {"object", "model"}, {"created", context.created}, {"owned_by", "lyceum"}}};
  return http::Response::json(json::serialize(json::object{{"object", "list"}, {"data", std::move(data)}}));
}

http::Response refuse(const EncoderContext& context, http::Request&) {
  throw Error(Code::unprocessable,
              "The model " + context.name + " is an encoder (" + context.encoder.encoder().config.architecture + "): it gives vectors at /v1/embeddings" +
                  (context.encoder.ranks() ? " and ranks at /v1/rerank" : "") + ", it does not generate text and takes no adapters",
              "model_does_not_generate");
}

}  // namespace

http::Router make_encoder_router(engine::TextEncoder& encoder, const std::string& name) {
  const auto context = std::make_shared<EncoderContext>(EncoderContext{encoder, name, std::time(nullptr)});
  http::Router router;
  const auto add = [&](const char* method, const char* pattern, http::Response (*handler)(const EncoderContext&, http::Request&)) {
    const bool ollama = std::string_view(pattern).starts_with("/api/");
    router.add({method, pattern, [context, handler, ollama](http::Request& request) {
                  try {
                    return handler(*context, request);
                  } catch (const Error& error) {
                    http::Response response = http::error_response(error);
                    response.body = ollama ? ollama_error_text(error) : openai_error_text(error);
                    return response;
                  }
                }});
  };
  add("GET", "/health", health);
  add("GET", "/v1/models", models_list);
  add("POST", "/v1/embeddings", embeddings);
  add("POST", "/v1/rerank", rerank);
  add("POST", "/api/embed", ollama_embed);
  add("POST", "/api/embeddings", ollama_embeddings);
  for (const char* pattern : {"/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/messages/count_tokens", "/api/chat", "/api/generate", "/v1/responses", "/v1/audio/transcriptions", "/v1/audio/translations", "/infill", "/internal/score", "/internal/adapters"}) {
    add("POST", pattern, refuse);
  }
  return router;
}

}  // namespace lyceum::api
