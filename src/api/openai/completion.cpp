#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "api/openai/answer_style.h"
#include "api/openai/request_error.h"
#include "api/openai/response_format.h"

namespace lyceum::api {
namespace {

constexpr uint32_t kDefaultTokens = 16;  // OpenAI's
constexpr size_t kChoicesMax = 64;

struct Prompt {
  std::string text;         // as sent; for `echo` and `suffix`
  std::vector<int32_t> ids;
};

Prompt from_text(const engine::Engine& engine, std::string text) {
  Prompt prompt{std::move(text), {}};
  prompt.ids = engine.tokenizer().encode(prompt.text);
  return prompt;
}

Prompt from_ids(const engine::Engine& engine, const json::array& array) {
  auto ids = find_token_ids(array, engine, "prompt");
  if (!ids || ids->empty()) throw RequestError("prompt", "prompt must be a string, a list of strings, a list of token ids, or a list of such lists, none of them empty");
  return {engine.tokenizer().decode(*ids), std::move(*ids)};
}

std::vector<Prompt> read_prompts(const engine::Engine& engine, const Fields& fields) {
  const json::value* value = fields.find("prompt");
  if (value == nullptr) throw RequestError("prompt", "prompt is missing");
  if (value->is_string()) return {from_text(engine, std::string(value->get_string()))};
  if (!value->is_array() || value->get_array().empty()) throw RequestError("prompt", "prompt must be a string, a list of strings or token ids");
  const json::array& array = value->get_array();
  if (array[0].is_number()) return {from_ids(engine, array)};
  if (array.size() > kChoicesMax) throw RequestError("prompt", fmt::format("prompt may hold at most {} prompts", kChoicesMax));
  std::vector<Prompt> prompts;
  for (const json::value& one : array) {
    if (one.is_string()) {
      prompts.push_back(from_text(engine, std::string(one.get_string())));
    } else if (one.is_array()) {
      prompts.push_back(from_ids(engine, one.get_array()));
    } else {
      throw RequestError("prompt", "prompt must be a string, a list of strings or token ids");
    }
  }
  return prompts;
}

// A model must be given something to continue: the token that begins its texts.
void fill_empty(const engine::Engine& engine, Prompt& prompt) {
  if (!prompt.ids.empty()) return;
  const int32_t bos = engine.decoder().config.bos_id;
  if (bos < 0 && engine.eos_ids().empty()) throw RequestError("prompt", "prompt is empty, and this model has no token that begins a text");
  prompt.ids.push_back(bos >= 0 ? bos : engine.eos_ids().front());
}

// Returns what the answer must begin with. A grammar is of the whole answer, so beside one the prefix ends at the cursor.
std::string use_suffix(const engine::Engine& engine, const std::string& suffix, Prompt& prompt, GenerationParams& params) {
  auto fim = engine.find_fim_prompt(prompt.text, suffix, {.order = engine.fim_order(), .whole_tokens = params.constraint == nullptr}, params.stop_ids);
  if (!fim) throw RequestError("suffix", "This model cannot fill in the middle: its tokenizer has no FIM tokens. Leave out suffix.", "suffix_not_supported");
  prompt.ids = std::move(fim->ids);
  return std::move(fim->given);
}

// The prompt as tokens with their log-probabilities, for `echo`. The first has none.
std::vector<engine::GeneratedToken> score_prompt(engine::Engine& engine, const Prompt& prompt, const std::string& adapter, int32_t top) {
  std::vector<engine::GeneratedToken> out{{prompt.ids.front(), "", NAN, {}}};
  for (auto& token : engine.evaluate(prompt.ids, static_cast<size_t>(std::max(top, 0)), adapter)) out.push_back(std::move(token));
  text::StreamDecoder decoder(engine.tokenizer(), false);
  for (auto& token : out) token.text = decoder.push(token.id);
  out.back().text += decoder.finish();
  return out;
}

void refuse_unsupported(const Fields& fields, const GenerationParams& params) {
  if (fields.find("tools") != nullptr) throw RequestError("tools", "tools are for /v1/chat/completions", "unsupported_parameter");
  const auto best_of = fields.integer("best_of", 1, 1000);
  if (best_of && *best_of != params.n) throw RequestError("best_of", "best_of other than n is not supported", "unsupported_parameter");
}

}  // namespace

GenerationJob read_completion_job(const EngineContext& context, const http::Request& request, const json::object& body) {
  const Fields fields(body);
  engine::Engine& engine = context.engine;
  const std::string adapter = adapter_of(context, request, fields);
  GenerationJob job;
  job.endpoint = Endpoint::completion;
  job.model = model_label(context, fields);
  job.params = read_generation_params(fields, Endpoint::completion, context.generation_defaults, engine.tokenizer().vocab_size());
  job.params.constraint = read_response_format(fields, engine);
  if (!job.params.max_tokens) job.params.max_tokens = kDefaultTokens;
  const bool echo = fields.flag("echo").value_or(false);
  refuse_unsupported(fields, job.params);

  std::vector<Prompt> prompts = read_prompts(engine, fields);
  const auto suffix = fields.text("suffix");
  if (suffix && prompts.size() > 1) throw RequestError("suffix", "suffix goes with one prompt");
  const std::string given = suffix ? use_suffix(engine, *suffix, prompts[0], job.params) : "";
  if (prompts.size() * job.params.n > kChoicesMax) throw RequestError("n", fmt::format("At most {} choices in one request", kChoicesMax));
  job.prompts = prompts.size();
  for (Prompt& prompt : prompts) {
    fill_empty(engine, prompt);
    check_context(engine, prompt.ids.size(), 1, "prompt");
    std::vector<engine::GeneratedToken> scored;
    if (echo && job.params.logprobs) scored = score_prompt(engine, prompt, adapter, job.params.sampling.top_logprobs);
    for (uint32_t i = 0; i < job.params.n; ++i) {
      job.requests.push_back(make_request(job.params, prompt.ids, adapter, i));
      job.requests.back().given = given;
      if (echo) job.prefixes.push_back({prompt.text, scored});
    }
  }
  return job;
}

http::Response answer_completion(const EngineContext& context, http::Request& request) {
  return answer_generation(context.engine, request, read_completion_job(context, request, read_request(request)), make_openai_style);
}

}  // namespace lyceum::api
