// In the engine process: what llama.cpp's own clients ask (its editor plugins above all): POST /infill, /tokenize, /detokenize, GET /props.
#include <fmt/format.h>

#include "api/openai/answer_style.h"
#include "api/openai/request_error.h"

namespace lyceum::api {
namespace {

// llama.cpp's completion objects: the text, and at the end what was counted and timed.
class LlamaStyle final : public AnswerStyle {
 public:
  explicit LlamaStyle(const GenerationJob& job) : job_(job) {}

  json::object whole(std::vector<WholeChoice> choices, const Usage& usage) override {
    result_ = choices.at(0).result;
    return last(choices.at(0).content, usage);
  }
  std::string begin() override { return {}; }
  std::string pieces(size_t, std::vector<ToolParser::Piece> pieces, const engine::GeneratedToken*) override {
    std::string text;
    for (const ToolParser::Piece& piece : pieces) text += piece.text;
    return event({{"index", 0}, {"content", text}, {"stop", false}});
  }
  std::string end(size_t, const engine::GenerateResult& result, size_t) override {
    result_ = result;
    return {};
  }
  std::string finish(const Usage& usage) override { return event(last("", usage)); }
  std::string failure(const Error& error) override { return "data: " + openai_error_text(error) + "\n\n"; }

 private:
  static std::string event(const json::object& body) { return "data: " + json::serialize(body) + "\n\n"; }

  json::object last(const std::string& content, const Usage& usage) const {
    const char* type = !result_.stop_string.empty() ? "word" : result_.finish == engine::Finish::length ? "limit" : "eos";
    const double answer_s = usage.total_s - usage.first_s;
    const uint64_t computed = usage.prompt - usage.cached;
    return {{"index", 0}, {"content", content}, {"stop", true}, {"model", job_.model}, {"tokens_predicted", usage.completion}, {"tokens_evaluated", usage.prompt}, {"tokens_cached", usage.cached}, {"truncated", false},
            {"stop_type", type}, {"stopping_word", result_.stop_string},
            {"timings", json::object{{"prompt_n", computed}, {"prompt_ms", usage.first_s * 1e3}, {"prompt_per_second", usage.first_s > 0 ? static_cast<double>(computed) / usage.first_s : 0},
                                     {"draft_n", result_.guessed_tokens}, {"draft_n_accepted", result_.right_guesses}, {"predicted_n", usage.completion}, {"predicted_ms", answer_s * 1e3}, {"predicted_per_second", answer_s > 0 ? static_cast<double>(usage.completion) / answer_s : 0}}}};
  }

  const GenerationJob& job_;
  engine::GenerateResult result_;
};

// Other files come before this one, as plain text.
std::string read_extra(const Fields& fields) {
  std::string out;
  const json::value* extra = fields.find("input_extra");
  if (extra == nullptr) return out;
  if (!extra->is_array()) throw RequestError("input_extra", "input_extra must be a list of {\"filename\", \"text\"}");
  for (const json::value& one : extra->get_array()) {
    if (!one.is_object()) throw RequestError("input_extra", "input_extra must be a list of {\"filename\", \"text\"}");
    out += Fields(one.get_object()).text("text").value_or("") + "\n";
  }
  return out;
}

std::vector<int32_t> encode_plain(const engine::Engine& engine, const std::string& text) { return engine.tokenizer().encode(text, {.add_special_tokens = false, .parse_special = false}); }

}  // namespace

http::Response answer_infill(const EngineContext& context, http::Request& request) {
  json::object body = read_request(request);
  const Fields fields(body);
  const auto prefix = fields.text("input_prefix"), suffix = fields.text("input_suffix");
  if (!prefix || !suffix) throw RequestError("input_prefix", "input_prefix and input_suffix must be strings");
  const std::string begun = fields.text("prompt").value_or(""), before = read_extra(fields) + *prefix;
  const auto tokens = fields.integer("n_predict", -1, INT32_MAX);
  if (const auto penalty = fields.number("repeat_penalty", 0.01, 10)) body["repetition_penalty"] = *penalty;
  body["prompt"] = before;
  body["suffix"] = *suffix;
  body["max_tokens"] = tokens.value_or(-1) > 0 ? *tokens : INT32_MAX;
  GenerationJob job = read_completion_job(context, request, body);
  for (engine::GenerateRequest& one : job.requests) {   // what the middle begins with: the line as far as it is typed
    const auto ids = encode_plain(context.engine, begun);
    one.prompt.insert(one.prompt.end(), ids.begin(), ids.end());
  }
  return answer_generation(context.engine, request, std::move(job), [](const engine::Engine&, const GenerationJob& given) { return std::make_unique<LlamaStyle>(given); });
}

http::Response tokenize(const EngineContext& context, http::Request& request) {
  const json::object body = read_request(request);
  const Fields fields(body);
  const text::Tokenizer& tokenizer = context.engine.tokenizer();
  const bool pieces = fields.flag("with_pieces").value_or(false);
  json::array tokens;
  for (const int32_t id : tokenizer.encode(fields.text("content").value_or(""), {.add_special_tokens = fields.flag("add_special").value_or(false), .parse_special = fields.flag("parse_special").value_or(true)})) {
    if (pieces) {
      tokens.push_back(json::object{{"id", id}, {"piece", tokenizer.decode(std::span(&id, 1), false)}});
    } else {
      tokens.emplace_back(id);
    }
  }
  return http::Response::json(json::serialize(json::object{{"tokens", std::move(tokens)}}));
}

http::Response detokenize(const EngineContext& context, http::Request& request) {
  const json::object body = read_request(request);
  const json::value* tokens = Fields(body).find("tokens");
  const auto ids = tokens != nullptr && tokens->is_array() ? find_token_ids(tokens->get_array(), context.engine, "tokens") : std::nullopt;
  if (!ids) throw RequestError("tokens", "tokens must be a list of token ids");
  return http::Response::json(json::serialize(json::object{{"content", context.engine.tokenizer().decode(*ids, false)}}));
}

http::Response show_props(const EngineContext& context, http::Request&) {
  return http::Response::json(json::serialize(json::object{{"default_generation_settings", json::object{{"n_ctx", context.engine.context()}}},
                                                           {"total_slots", 1},
                                                           {"model_alias", context.name},
                                                           {"model_path", context.name}}));
}

}  // namespace lyceum::api
