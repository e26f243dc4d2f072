// Vectors of texts in OpenAI's and Ollama's form, and the log-probabilities of a text's tokens.
#include "api/openai/embeddings.h"

#include <fmt/format.h>

#include "api/openai/engine_handlers.h"
#include "api/openai/request_error.h"
#include "base/bytes.h"
#include "base/clock.h"

namespace lyceum::api {
namespace {

constexpr size_t kInputsMax = 2048;
constexpr size_t kInputsAtOnce = 16;   // between looks for a client that has gone

using Inputs = std::vector<std::vector<int32_t>>;

void check_length(const EmbeddingModel& model, const std::vector<int32_t>& ids) {
  if (ids.size() <= model.context) return;
  throw RequestError("input", fmt::format("This model reads {} tokens; an input has {}. Shorten it, or ask with \"truncate\": true.", model.context, ids.size()), "context_length_exceeded");
}

void check_dimensions(const EmbeddingModel& model, const Fields& fields) {
  const auto dimensions = fields.integer("dimensions", 1, INT32_MAX);
  if (!dimensions || *dimensions == static_cast<int64_t>(model.dimensions)) return;
  throw RequestError("dimensions", fmt::format("This model's embeddings have {} dimensions and cannot be shortened", model.dimensions), "unsupported_parameter");
}

Inputs read_inputs(const EmbeddingModel& model, const Fields& fields) {
  const bool cut = fields.flag("truncate").value_or(false);
  const auto refuse = [] { throw RequestError("input", "input must be a string, a list of strings, a list of token ids, or a list of such lists, none of them empty"); };
  const auto from_text = [&](const json::value& text) {
    if (text.get_string().empty()) refuse();
    return model.encode(std::string(text.get_string()), cut);
  };
  const auto from_ids = [&](const json::array& array) {
    auto ids = find_token_ids(array, model.vocab, "input");
    if (!ids) refuse();
    return std::move(*ids);
  };
  Inputs inputs;
  const json::value* value = fields.find("input");
  if (value == nullptr) throw RequestError("input", "input is missing");
  if (value->is_string()) {
    inputs.push_back(from_text(*value));
  } else if (!value->is_array() || value->get_array().empty()) {
    refuse();
  } else if (value->get_array()[0].is_number()) {
    inputs.push_back(from_ids(value->get_array()));
  } else {
    if (value->get_array().size() > kInputsMax) throw RequestError("input", fmt::format("input may have at most {} entries", kInputsMax));
    for (const json::value& one : value->get_array()) {
      if (!one.is_string() && !one.is_array()) refuse();
      inputs.push_back(one.is_string() ? from_text(one) : from_ids(one.get_array()));
    }
  }
  for (const auto& ids : inputs) {
    if (ids.empty()) refuse();
    check_length(model, ids);
  }
  return inputs;
}

json::value embedding_json(const std::vector<float>& vector, bool base64) {
  if (base64) return json::value(to_base64(std::as_bytes(std::span(vector))));  // little-endian float32, as OpenAI's client reads it
  return json::value_from(vector);
}

// Ollama's "input" or "prompt".
std::vector<std::string> read_texts(const Fields& fields) {
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

json::value vector_of(const EmbeddingModel& model, const std::string& text, bool cut, uint64_t& tokens) {
  if (text.empty()) return json::array();
  const Inputs inputs{model.encode(text, cut)};
  check_length(model, inputs[0]);
  tokens += inputs[0].size();
  return json::value_from(model.embed(inputs)[0]);
}

// A decoder, with the adapter that the request names.
EmbeddingModel embedding_model(const EngineContext& context, const http::Request& request, const Fields& fields) {
  engine::Engine& engine = context.engine;
  EmbeddingModel model{model_label(context, fields), engine.decoder().config.vocab, engine.context(), engine.decoder().config.hidden, {}, {}};
  model.encode = [&engine](const std::string& text, bool cut) {
    auto ids = engine.tokenizer().encode(text);
    if (cut && ids.size() > engine.context()) ids.resize(engine.context());
    return ids;
  };
  model.embed = [&engine, adapter = adapter_of(context, request, fields)](std::span<const std::vector<int32_t>> inputs) {
    std::vector<std::vector<float>> out;
    for (const auto& ids : inputs) out.push_back(engine.embed(ids, adapter));
    return out;
  };
  return model;
}

}  // namespace

http::Response answer_openai_embeddings(const EmbeddingModel& model, const http::Request& request, const Fields& fields) {
  const std::string format = fields.text("encoding_format").value_or("float");
  if (format != "float" && format != "base64") throw RequestError("encoding_format", "encoding_format must be float or base64");
  check_dimensions(model, fields);
  const Inputs inputs = read_inputs(model, fields);
  uint64_t tokens = 0;
  for (const auto& ids : inputs) tokens += ids.size();
  json::array data;
  for (size_t begin = 0; begin < inputs.size(); begin += kInputsAtOnce) {
    if (request.client_gone && request.client_gone()) throw Error(Code::unavailable, "The client has gone");
    for (const auto& vector : model.embed(std::span(inputs).subspan(begin, std::min(kInputsAtOnce, inputs.size() - begin)))) {
      data.push_back(json::object{{"object", "embedding"}, {"index", data.size()}, {"embedding", embedding_json(vector, format == "base64")}});
    }
  }
  return http::Response::json(json::serialize(
      json::object{{"object", "list"}, {"data", std::move(data)}, {"model", model.name}, {"usage", json::object{{"prompt_tokens", tokens}, {"total_tokens", tokens}}}}));
}

http::Response answer_ollama_embed(const EmbeddingModel& model, const Fields& fields) {
  const double begun_at = monotonic_seconds();
  const bool truncate = fields.flag("truncate").value_or(true);
  check_dimensions(model, fields);
  uint64_t tokens = 0;
  json::array vectors;
  for (const std::string& text : read_texts(fields)) vectors.push_back(vector_of(model, text, truncate, tokens));
  return http::Response::json(json::serialize(json::object{{"model", model.name},
                                                           {"embeddings", std::move(vectors)},
                                                           {"total_duration", static_cast<int64_t>((monotonic_seconds() - begun_at) * 1e9)},
                                                           {"load_duration", 0},
                                                           {"prompt_eval_count", tokens}}));
}

http::Response answer_ollama_embeddings(const EmbeddingModel& model, const Fields& fields) {
  uint64_t tokens = 0;
  return http::Response::json(json::serialize(json::object{{"embedding", vector_of(model, fields.text("prompt").value_or(""), true, tokens)}}));
}

http::Response answer_embeddings(const EngineContext& context, http::Request& request) {
  const json::object body = read_request(request);
  const Fields fields(body);
  return answer_openai_embeddings(embedding_model(context, request, fields), request, fields);
}

http::Response answer_ollama_embed(const EngineContext& context, http::Request& request) {
  const json::object body = read_request(request);
  const Fields fields(body);
  return answer_ollama_embed(embedding_model(context, request, fields), fields);
}

http::Response answer_ollama_embeddings(const EngineContext& context, http::Request& request) {
  const json::object body = read_request(request);
  const Fields fields(body);
  return answer_ollama_embeddings(embedding_model(context, request, fields), fields);
}

// {"text" | "tokens", "adapter"} → the log-probability of every token after the first, given those before it.
http::Response answer_score(const EngineContext& context, http::Request& request) {
  const json::object body = read_request(request);
  const Fields fields(body);
  std::string adapter = fields.text("adapter").value_or("");
  if (adapter.empty()) adapter = adapter_of(context, request, fields);
  const auto text = fields.text("text");
  const json::value* tokens = fields.find("tokens");
  if (text.has_value() == (tokens != nullptr)) throw RequestError("text", "Give either text or tokens");
  std::vector<int32_t> ids;
  if (text) {
    ids = context.engine.tokenizer().encode(*text, {.add_special_tokens = fields.flag("add_special_tokens").value_or(true)});
  } else {
    auto found = tokens->is_array() ? find_token_ids(tokens->get_array(), context.engine, "tokens") : std::nullopt;
    if (!found) throw RequestError("tokens", "tokens must be a list of token ids");
    ids = std::move(*found);
  }
  check_context(context.engine, ids.size(), 0, text ? "text" : "tokens");
  json::array logprobs;
  if (ids.size() > 1) {
    for (const float one : context.engine.score(ids, adapter)) logprobs.emplace_back(one);
  }
  return http::Response::json(json::serialize(json::object{{"tokens", json::value_from(ids)}, {"logprobs", std::move(logprobs)}}));
}

}  // namespace lyceum::api
