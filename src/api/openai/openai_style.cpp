// OpenAI's chat and text completions: one JSON object, or server-sent events that end with "data: [DONE]".
#include <cmath>
#include <ctime>
#include <utility>

#include "api/openai/answer_style.h"
#include "api/openai/request_error.h"
#include "base/random.h"

namespace lyceum::api {
namespace {

json::object usage_json(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt},
          {"completion_tokens", usage.completion},
          {"total_tokens", usage.prompt + usage.completion},
          {"prompt_tokens_details", json::object{{"cached_tokens", usage.cached}}}};
}

json::value finish_reason(const engine::GenerateResult& result, size_t calls) {
  if (result.finish == engine::Finish::length) return "length";
  return calls > 0 ? "tool_calls" : "stop";
}

using Tokens = std::vector<engine::GeneratedToken>;

// What all choices and chunks of one answer share.
class OpenaiStyle final : public AnswerStyle {
 public:
  OpenaiStyle(const engine::Engine& engine, const GenerationJob& job)
      : engine_(engine), job_(job), chat_(job.endpoint == Endpoint::chat), id_((chat_ ? "chatcmpl-" : "cmpl-") + secure_alphanumeric(24)), created_(std::time(nullptr)), offsets_(job.requests.size()) {}

  json::object whole(std::vector<WholeChoice> choices, const Usage& usage) override {
    json::array out;
    for (size_t i = 0; i < choices.size(); ++i) {
      WholeChoice& given = choices[i];
      const Echo prefix = job_.prefixes.empty() ? Echo{} : job_.prefixes[i];
      given.tokens.insert(given.tokens.begin(), prefix.tokens.begin(), prefix.tokens.end());
      json::object one = choice(i, prefix.text + given.content, logprobs(given.tokens, 0), finish_reason(given.result, given.calls.size()), false);
      if (!given.reasoning.empty()) one["message"].get_object()["reasoning_content"] = given.reasoning;
      if (!given.calls.empty()) {
        if (given.content.empty()) one["message"].get_object()["content"] = nullptr;
        json::array calls;
        for (ToolCall& call : given.calls) calls.push_back(call_json(call));
        one["message"].get_object()["tool_calls"] = std::move(calls);
      }
      out.push_back(std::move(one));
    }
    json::object body = envelope(false, std::move(out));
    body["usage"] = usage_json(usage);
    return body;
  }

  std::string begin() override {
    std::string out;
    for (size_t i = 0; i < offsets_.size(); ++i) {
      if (chat_) out += chunk(first_choice(i));
      if (!job_.prefixes.empty()) out += text_chunk(i, job_.prefixes[i].text, job_.prefixes[i].tokens);
    }
    return out;
  }

  std::string pieces(size_t index, std::vector<ToolParser::Piece> given, const engine::GeneratedToken* token) override {
    if (given.empty() && token != nullptr) given.push_back({});
    std::string out;
    for (ToolParser::Piece& piece : given) {  // the log-probabilities of a token go with the first of its pieces
      const engine::GeneratedToken* with = std::exchange(token, nullptr);
      if (!chat_) {
        out += text_chunk(index, piece.text, with == nullptr ? Tokens{} : Tokens{*with});
        continue;
      }
      json::object one = choice(index, "", with == nullptr ? json::value(nullptr) : logprobs({*with}, 0), nullptr, true);
      one["delta"] = delta_of(std::move(piece));
      out += chunk(std::move(one));
    }
    return out;
  }

  std::string end(size_t index, const engine::GenerateResult& result, size_t calls) override { return chunk(choice(index, "", nullptr, finish_reason(result, calls), true)); }

  std::string finish(const Usage& usage) override {
    std::string out;
    if (job_.params.include_usage) {
      json::object last = envelope(true, {});
      last["usage"] = usage_json(usage);
      out = "data: " + json::serialize(last) + "\n\n";
    }
    return out + "data: [DONE]\n\n";
  }

  std::string failure(const Error& error) override { return "data: " + openai_error_text(error) + "\n\n"; }

 private:
  static json::object call_json(ToolCall& call) {
    return {{"id", std::move(call.id)}, {"type", "function"}, {"function", json::object{{"name", std::move(call.name)}, {"arguments", std::move(call.arguments)}}}};
  }

  std::string chunk(json::object choice) {
    json::object body = envelope(true, json::array{std::move(choice)});
    if (job_.params.include_usage) body["usage"] = nullptr;
    return "data: " + json::serialize(body) + "\n\n";
  }

  std::string text_chunk(size_t index, const std::string& text, const Tokens& tokens) {
    json::value scores = tokens.empty() ? json::value(nullptr) : logprobs(tokens, offsets_[index]);
    offsets_[index] += text.size();
    return chunk(choice(index, text, std::move(scores), nullptr, true));
  }

  json::object delta_of(ToolParser::Piece piece) const {
    using Kind = ToolParser::Piece::Kind;
    if (piece.kind == Kind::content) return {{"content", std::move(piece.text)}};
    if (piece.kind == Kind::reasoning) return {{"reasoning_content", std::move(piece.text)}};
    json::object call{{"index", piece.call}};
    if (piece.kind == Kind::call) {
      ToolCall begun{new_call_id(*job_.tool_format), std::move(piece.text), ""};
      for (auto& [key, value] : call_json(begun)) call[key] = value;
    } else {
      call["function"] = json::object{{"arguments", std::move(piece.text)}};
    }
    return {{"tool_calls", json::array{std::move(call)}}};
  }

  json::object envelope(bool chunk, json::array choices) const {
    return {{"id", id_},
            {"object", chat_ ? (chunk ? "chat.completion.chunk" : "chat.completion") : "text_completion"},
            {"created", created_},
            {"model", job_.model},
            {"system_fingerprint", nullptr},
            {"choices", std::move(choices)}};
  }

  json::object choice(size_t index, const std::string& text, json::value logprobs, json::value finish, bool chunk) const {
    json::object out{{"index", index}};
    if (!chat_) {
      out["text"] = text;
    } else if (chunk) {
      out["delta"] = finish.is_null() ? json::object{{"content", text}} : json::object{};
    } else {
      out["message"] = json::object{{"role", "assistant"}, {"content", text}, {"refusal", nullptr}};
    }
    out["logprobs"] = std::move(logprobs);
    out["finish_reason"] = std::move(finish);
    return out;
  }

  json::object first_choice(size_t index) const {
    return {{"index", index}, {"delta", json::object{{"role", "assistant"}, {"content", ""}}}, {"logprobs", nullptr}, {"finish_reason", nullptr}};
  }

  // The log-probabilities of some tokens in the endpoint's own layout; null if not asked for.
  json::value logprobs(const std::vector<engine::GeneratedToken>& tokens, size_t text_offset) const {
    if (!job_.params.logprobs) return nullptr;
    return chat_ ? chat_logprobs(tokens) : completion_logprobs(tokens, text_offset);
  }

  // As inside a text: alone, many decoders would drop the space that a word begins with.
  std::string text_of(int32_t id) const {
    const int32_t twice[2] = {id, id};
    const std::string alone = engine_.tokenizer().decode(std::span(twice, 1), false);
    const std::string both = engine_.tokenizer().decode(twice, false);
    return both.starts_with(alone) ? both.substr(alone.size()) : alone;
  }

  json::object token_json(int32_t id, float logprob) const {
    const std::string text = text_of(id);
    json::array bytes;
    for (const char c : text) bytes.emplace_back(static_cast<unsigned char>(c));
    return {{"token", text}, {"logprob", logprob}, {"bytes", std::move(bytes)}};
  }

  json::value chat_logprobs(const std::vector<engine::GeneratedToken>& tokens) const {
    json::array content;
    for (const auto& token : tokens) {
      json::object one = token_json(token.id, token.logprob);
      json::array top;
      for (const auto& other : token.top) top.push_back(token_json(other.id, other.logprob));
      one["top_logprobs"] = std::move(top);
      content.push_back(std::move(one));
    }
    return json::object{{"content", std::move(content)}, {"refusal", nullptr}};
  }

  json::value completion_logprobs(const std::vector<engine::GeneratedToken>& tokens, size_t text_offset) const {
    json::array texts, logprobs, tops, offsets;
    for (const auto& token : tokens) {
      texts.emplace_back(text_of(token.id));
      const bool unknown = std::isnan(token.logprob);   // the first token of an echoed prompt
      logprobs.emplace_back(unknown ? json::value(nullptr) : json::value(token.logprob));
      offsets.emplace_back(text_offset);
      text_offset += token.text.size();
      json::object top;
      for (const auto& other : token.top) top[text_of(other.id)] = other.logprob;
      tops.emplace_back(unknown ? json::value(nullptr) : json::value(std::move(top)));
    }
    return json::object{{"tokens", std::move(texts)}, {"token_logprobs", std::move(logprobs)}, {"top_logprobs", std::move(tops)}, {"text_offset", std::move(offsets)}};
  }

  const engine::Engine& engine_;
  const GenerationJob& job_;
  bool chat_;
  std::string id_;
  int64_t created_;
  std::vector<size_t> offsets_;   // bytes sent, for text_offset
};

}  // namespace

std::unique_ptr<AnswerStyle> make_openai_style(const engine::Engine& engine, const GenerationJob& job) { return std::make_unique<OpenaiStyle>(engine, job); }

}  // namespace lyceum::api
