#include <fmt/format.h>

#include "api/openai/engine_handlers.h"
#include "api/openai/request_error.h"
#include "base/bytes.h"

namespace lyceum::api {
namespace {

constexpr size_t kInputsMax = 2048;

std::vector<std::vector<int32_t>> read_inputs(const engine::Engine& engine, const Fields& fields) {
  const auto refuse = [] { throw RequestError("input", "input must be a string, a list of strings, a list of token ids, or a list of such lists, none of them empty"); };
  const auto from_text = [&](const json::value& text) { return engine.tokenizer().encode(std::string(text.get_string())); };
  const auto from_ids = [&](const json::array& array) {
    auto ids = find_token_ids(array, engine, "input");
    if (!ids) refuse();
    return std::move(*ids);
  };
  std::vector<std::vector<int32_t>> inputs;
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
  }
  return inputs;
}

json::value embedding_json(const std::vector<float>& vector, bool base64) {
  if (base64) return json::value(to_base64(std::as_bytes(std::span(vector))));  // little-endian float32, as OpenAI's client reads it
  json::array out;
  for (const float one : vector) out.emplace_back(one);
  return out;
}

}  // namespace

http::Response answer_embeddings(const EngineContext& context, http::Request& request) {
  const json::object body = read_request(request);
  const Fields fields(body);
  const std::string adapter = adapter_of(context, request, fields);
  const std::string format = fields.text("encoding_format").value_or("float");
  if (format != "float" && format != "base64") throw RequestError("encoding_format", "encoding_format must be float or base64");
  const int64_t width = context.engine.decoder().config.hidden;
  const auto dimensions = fields.integer("dimensions", 1, INT32_MAX);
  if (dimensions && *dimensions != width) throw RequestError("dimensions", fmt::format("This model's embeddings have {} dimensions and cannot be shortened", width), "unsupported_parameter");
  const auto inputs = read_inputs(context.engine, fields);
  uint64_t tokens = 0;
  for (const auto& ids : inputs) {
    check_context(context.engine, ids.size(), 0, "input");
    tokens += ids.size();
  }
  json::array data;
  for (const auto& ids : inputs) {
    if (request.client_gone && request.client_gone()) throw Error(Code::unavailable, "The client has gone");
    json::value vector = embedding_json(context.engine.embed(ids, adapter), format == "base64");
    data.push_back(json::object{{"object", "embedding"}, {"index", data.size()}, {"embedding", std::move(vector)}});
  }
  return http::Response::json(json::serialize(json::object{{"object", "list"},
                                                           {"data", std::move(data)},
                                                           {"model", model_label(context, fields)},
                                                           {"usage", json::object{{"prompt_tokens", tokens}, {"total_tokens", tokens}}}}));
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
