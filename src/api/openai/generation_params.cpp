#include "api/openai/generation_params.h"

#include <fmt/format.h>

#include <charconv>

#include "api/openai/request_error.h"
#include "base/random.h"

namespace lyceum::api {
namespace {

constexpr int64_t kChoicesMax = 16;
constexpr size_t kStopsMax = 16;

float with_default(std::optional<double> given, const json::object& defaults, const char* key, double otherwise) {
  if (given) return static_cast<float>(*given);
  const json::value* value = defaults.if_contains(key);
  return static_cast<float>(value != nullptr && value->is_number() ? value->to_number<double>() : otherwise);
}

uint64_t random_seed() {
  uint64_t seed = 0;
  std::memcpy(&seed, secure_bytes(sizeof seed).data(), sizeof seed);
  return seed;
}

std::vector<std::pair<int32_t, float>> read_logit_bias(const Fields& fields, size_t vocab_size) {
  std::vector<std::pair<int32_t, float>> bias;
  const json::value* value = fields.find("logit_bias");
  if (value == nullptr) return bias;
  if (!value->is_object()) throw RequestError("logit_bias", "logit_bias must be an object from token ids to numbers");
  for (const auto& [key, number] : value->get_object()) {
    int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc{} || end != key.data() + key.size() || id < 0 || static_cast<size_t>(id) >= vocab_size) {
      throw RequestError("logit_bias", fmt::format("logit_bias: \"{}\" is not the id of a token of this model", std::string_view(key)));
    }
    if (!number.is_number() || std::abs(number.to_number<double>()) > 100) throw RequestError("logit_bias", "logit_bias values must be numbers between -100 and 100");
    bias.emplace_back(id, number.to_number<float>());
  }
  return bias;
}

std::vector<std::string> read_stop(const Fields& fields) {
  std::vector<std::string> stop;
  const json::value* value = fields.find("stop");
  if (value == nullptr) return stop;
  const auto add = [&](const json::value& one) {
    if (!one.is_string() || one.get_string().empty()) throw RequestError("stop", "stop must be a string, or a list of strings, none of them empty");
    stop.emplace_back(one.get_string());
  };
  if (!value->is_array()) {
    add(*value);
  } else {
    for (const json::value& one : value->get_array()) add(one);
  }
  if (stop.size() > kStopsMax) throw RequestError("stop", fmt::format("stop may have at most {} strings", kStopsMax));
  return stop;
}

std::vector<int32_t> read_stop_ids(const Fields& fields, size_t vocab_size) {
  std::vector<int32_t> ids;
  const json::value* value = fields.find("stop_token_ids");
  if (value == nullptr) return ids;
  if (!value->is_array()) throw RequestError("stop_token_ids", "stop_token_ids must be a list of token ids");
  for (const json::value& one : value->get_array()) {
    const auto id = find_integer(one);
    if (!id || *id < 0 || *id >= static_cast<int64_t>(vocab_size)) throw RequestError("stop_token_ids", "stop_token_ids must be ids of tokens of this model");
    ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

void read_logprobs(const Fields& fields, Endpoint endpoint, GenerationParams& params) {
  params.sampling.top_logprobs = -1;
  if (endpoint == Endpoint::completion) {
    const auto count = fields.integer("logprobs", 0, 20);
    params.logprobs = count.has_value();
    if (count) params.sampling.top_logprobs = static_cast<int32_t>(*count);
    return;
  }
  params.logprobs = fields.flag("logprobs").value_or(false);
  const auto count = fields.integer("top_logprobs", 0, 20);
  if (count && *count > 0 && !params.logprobs) throw RequestError("top_logprobs", "top_logprobs needs logprobs: true");
  if (params.logprobs) params.sampling.top_logprobs = static_cast<int32_t>(count.value_or(0));
}

void read_sampling(const Fields& fields, const json::object& defaults, size_t vocab_size, engine::Sampling& sampling) {
  // A generation_config that says do_sample: false asks for greedy decoding.
  const json::value* do_sample = defaults.if_contains("do_sample");
  const bool greedy = do_sample != nullptr && do_sample->is_bool() && !do_sample->get_bool();
  const auto temperature = fields.number("temperature", 0, 2);
  sampling.temperature = greedy && !temperature ? 0.0f : with_default(temperature, defaults, "temperature", 1);
  sampling.top_p = with_default(fields.number("top_p", 0, 1), defaults, "top_p", 1);
  if (sampling.top_p <= 0) throw RequestError("top_p", "top_p must be greater than 0");
  const auto top_k = fields.integer("top_k", -1, INT32_MAX);
  sampling.top_k = top_k ? static_cast<int32_t>(std::max<int64_t>(*top_k, 0)) : static_cast<int32_t>(with_default({}, defaults, "top_k", 0));
  sampling.min_p = with_default(fields.number("min_p", 0, 1), defaults, "min_p", 0);
  sampling.repetition_penalty = with_default(fields.number("repetition_penalty", 0.01, 10), defaults, "repetition_penalty", 1);
  sampling.presence_penalty = with_default(fields.number("presence_penalty", -2, 2), {}, "", 0);
  sampling.frequency_penalty = with_default(fields.number("frequency_penalty", -2, 2), {}, "", 0);
  sampling.logit_bias = read_logit_bias(fields, vocab_size);
  const auto seed = fields.integer("seed", INT64_MIN, INT64_MAX);
  sampling.seed = seed ? static_cast<uint64_t>(*seed) : random_seed();
}

}  // namespace

GenerationParams read_generation_params(const Fields& fields, Endpoint endpoint, const json::object& defaults, size_t vocab_size) {
  GenerationParams params;
  read_sampling(fields, defaults, vocab_size, params.sampling);
  read_logprobs(fields, endpoint, params);
  auto max_tokens = fields.integer("max_tokens", 1, INT32_MAX);
  if (endpoint == Endpoint::chat) {
    const auto newer = fields.integer("max_completion_tokens", 1, INT32_MAX);
    if (max_tokens && newer && *max_tokens != *newer) throw RequestError("max_tokens", "max_tokens and max_completion_tokens contradict each other");
    if (newer) max_tokens = newer;
  }
  if (max_tokens) params.max_tokens = static_cast<uint32_t>(*max_tokens);
  params.stop = read_stop(fields);
  params.stop_ids = read_stop_ids(fields, vocab_size);
  params.ignore_eos = fields.flag("ignore_eos").value_or(false);
  params.n = static_cast<uint32_t>(fields.integer("n", 1, kChoicesMax).value_or(1));
  params.stream = fields.flag("stream").value_or(false);
  if (const json::value* options = fields.find("stream_options")) {
    if (!options->is_object()) throw RequestError("stream_options", "stream_options must be an object");
    if (!params.stream) throw RequestError("stream_options", "stream_options needs stream: true");
    params.include_usage = Fields(options->get_object()).flag("include_usage").value_or(false);
  }
  return params;
}

}  // namespace lyceum::api
