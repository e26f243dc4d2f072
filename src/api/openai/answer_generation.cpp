// From a running generation to the answer: one JSON object, or server-sent events that end with "data: [DONE]".
#include <fmt/format.h>

#include <ctime>
#include <utility>

#include "api/openai/engine_handlers.h"
#include "api/openai/generation.h"
#include "api/openai/request_error.h"
#include "base/clock.h"
#include "base/random.h"

namespace lyceum::api {
namespace {

constexpr double kPollSeconds = 0.25;          // how soon a vanished client is noticed
constexpr double kFirstTokenSeconds = 10;      // a stream begins after this, even if the prompt is still being read
constexpr double kKeepAliveSeconds = 10;       // a comment line now and then keeps proxies from giving up

struct Usage {
  uint64_t prompt = 0, cached = 0, completion = 0;
};

json::object usage_json(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt},
          {"completion_tokens", usage.completion},
          {"total_tokens", usage.prompt + usage.completion},
          {"prompt_tokens_details", json::object{{"cached_tokens", usage.cached}}}};
}

// What all choices and chunks of one answer share.
class Shape {
 public:
  Shape(const engine::Engine& engine, const GenerationJob& job)
      : engine_(engine), job_(job), chat_(job.endpoint == Endpoint::chat), id_((chat_ ? "chatcmpl-" : "cmpl-") + secure_alphanumeric(24)), created_(std::time(nullptr)) {}

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

  bool chat() const { return chat_; }

 private:
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
      logprobs.emplace_back(token.logprob);
      offsets.emplace_back(text_offset);
      text_offset += token.text.size();
      json::object top;
      for (const auto& other : token.top) top[text_of(other.id)] = other.logprob;
      tops.emplace_back(std::move(top));
    }
    return json::object{{"tokens", std::move(texts)}, {"token_logprobs", std::move(logprobs)}, {"top_logprobs", std::move(tops)}, {"text_offset", std::move(offsets)}};
  }

  const engine::Engine& engine_;
  const GenerationJob& job_;
  bool chat_;
  std::string id_;
  int64_t created_;
};

json::value finish_reason(const engine::GenerateResult& result, size_t calls) {
  if (result.finish == engine::Finish::length) return "length";
  return calls > 0 ? "tool_calls" : "stop";
}

std::string call_id(const ToolFormat& format) { return format.id_size > 0 ? secure_alphanumeric(format.id_size) : "call_" + secure_alphanumeric(24); }

json::object call_json(const ToolFormat& format, std::string name, std::string arguments) {
  return {{"id", call_id(format)}, {"type", "function"}, {"function", json::object{{"name", std::move(name)}, {"arguments", std::move(arguments)}}}};
}

// The job, its running generation and what has been counted; shared by the handler and the stream that follows it.
struct Running {
  Running(engine::Engine& engine, GenerationJob given) : job(std::move(given)), shape(engine, job), generation(engine, job.requests) {}

  void count(size_t choice, const engine::GenerateResult& result) {
    usage.completion += result.completion_tokens;
    if (choice % job.params.n != 0) return;  // choices of one prompt share it
    usage.prompt += result.prompt_tokens;
    usage.cached += result.cached_prompt_tokens;
  }

  GenerationJob job;
  Shape shape;
  Usage usage;
  Generation generation;
};

struct WholeChoice {
  std::string text;
  std::vector<engine::GeneratedToken> tokens;
  engine::GenerateResult result;
};

struct Message {
  std::string content, reasoning;
  json::array calls;
};

Message parse_whole(const GenerationJob& job, std::string text) {
  Message out;
  if (!job.parses()) {
    out.content = std::move(text);
    return out;
  }
  AnswerParser parser(job.tool_format, job.reasoning);
  std::vector<ToolParser::Piece> pieces = parser.push(text);
  for (auto& piece : parser.finish()) pieces.push_back(std::move(piece));
  for (auto& piece : pieces) {
    using Kind = ToolParser::Piece::Kind;
    if (piece.kind == Kind::content) out.content += piece.text;
    if (piece.kind == Kind::reasoning) out.reasoning += piece.text;
    if (piece.kind == Kind::call) out.calls.push_back(call_json(*job.tool_format, std::move(piece.text), ""));
    if (piece.kind == Kind::arguments) out.calls.back().at("function").at("arguments").get_string().append(piece.text);
  }
  return out;
}

http::Response answer_whole(Running& running, const http::Request& request) {
  std::vector<WholeChoice> choices(running.job.requests.size());
  double asked_at = monotonic_seconds();
  while (!running.generation.done()) {
    const auto event = running.generation.next(kPollSeconds);
    if (monotonic_seconds() - asked_at > kPollSeconds) {
      if (request.client_gone && request.client_gone()) throw Error(Code::unavailable, "The client has gone");
      asked_at = monotonic_seconds();
    }
    if (!event) continue;
    WholeChoice& choice = choices[event->choice];
    if (event->result) {
      choice.result = *event->result;
      running.count(event->choice, *event->result);
    } else {
      choice.text += event->token.text;
      if (running.job.params.logprobs && event->token.id >= 0) choice.tokens.push_back(event->token);
    }
  }
  json::array out;
  for (size_t i = 0; i < choices.size(); ++i) {
    const std::string prefix = running.job.prefixes.empty() ? std::string() : running.job.prefixes[i];
    const Message message = parse_whole(running.job, std::move(choices[i].text));
    json::object one = running.shape.choice(i, prefix + message.content, running.shape.logprobs(choices[i].tokens, prefix.size()), finish_reason(choices[i].result, message.calls.size()), false);
    if (!message.reasoning.empty()) one["message"].get_object()["reasoning_content"] = message.reasoning;
    if (!message.calls.empty()) {
      if (message.content.empty()) one["message"].get_object()["content"] = nullptr;
      one["message"].get_object()["tool_calls"] = message.calls;
    }
    out.push_back(std::move(one));
  }
  json::object body = running.shape.envelope(false, std::move(out));
  body["usage"] = usage_json(running.usage);
  return http::Response::json(json::serialize(body));
}

class EventStream {
 public:
  EventStream(Running& running, http::BodyWriter& writer) : running_(running), writer_(writer), offsets_(running.job.requests.size()) {
    if (running.job.parses()) parsers_.assign(offsets_.size(), AnswerParser(running.job.tool_format, running.job.reasoning));
  }

  void run() {
    for (size_t i = 0; i < offsets_.size(); ++i) {
      if (running_.shape.chat()) send({running_.shape.first_choice(i)});
      if (!running_.job.prefixes.empty()) send_text(i, running_.job.prefixes[i], {});
    }
    while (!running_.generation.done()) {
      const auto event = running_.generation.next(kPollSeconds);
      if (event) {
        take(*event);
      } else if (writer_.client_gone()) {
        return;
      } else if (monotonic_seconds() - written_at_ > kKeepAliveSeconds) {
        write(": still working\n\n");
      }
    }
    if (running_.job.params.include_usage) {
      json::object last = running_.shape.envelope(true, {});
      last["usage"] = usage_json(running_.usage);
      write("data: " + json::serialize(last) + "\n\n");
    }
    write("data: [DONE]\n\n");
  }

  void write(const std::string& text) {
    writer_.write(text);
    written_at_ = monotonic_seconds();
  }

 private:
  void take(const Generation::Event& event) {
    if (event.result) {
      running_.count(event.choice, *event.result);
      if (!parsers_.empty()) send_pieces(event.choice, parsers_[event.choice].finish(), nullptr);
      const size_t calls = parsers_.empty() ? 0 : parsers_[event.choice].calls();
      return send({running_.shape.choice(event.choice, "", nullptr, finish_reason(*event.result, calls), true)});
    }
    const bool with_logprobs = running_.job.params.logprobs && event.token.id >= 0;
    if (event.token.text.empty() && !with_logprobs) return;
    if (!parsers_.empty()) {
      json::value logprobs = with_logprobs ? running_.shape.logprobs({event.token}, 0) : json::value(nullptr);
      return send_pieces(event.choice, parsers_[event.choice].push(event.token.text), std::move(logprobs));
    }
    send_text(event.choice, event.token.text, with_logprobs ? std::vector{event.token} : std::vector<engine::GeneratedToken>{});
  }

  void send_text(size_t choice, const std::string& text, const std::vector<engine::GeneratedToken>& tokens) {
    json::value logprobs = tokens.empty() ? json::value(nullptr) : running_.shape.logprobs(tokens, offsets_[choice]);
    offsets_[choice] += text.size();
    send({running_.shape.choice(choice, text, std::move(logprobs), nullptr, true)});
  }

  // The log-probabilities of a token go with the first of its pieces.
  void send_pieces(size_t choice, std::vector<ToolParser::Piece> pieces, json::value logprobs) {
    if (pieces.empty() && !logprobs.is_null()) pieces.push_back({});
    for (ToolParser::Piece& piece : pieces) {
      json::object one = running_.shape.choice(choice, "", std::exchange(logprobs, nullptr), nullptr, true);
      one["delta"] = delta_of(std::move(piece));
      send({std::move(one)});
    }
  }

  json::object delta_of(ToolParser::Piece piece) const {
    using Kind = ToolParser::Piece::Kind;
    if (piece.kind == Kind::content) return {{"content", std::move(piece.text)}};
    if (piece.kind == Kind::reasoning) return {{"reasoning_content", std::move(piece.text)}};
    json::object call{{"index", piece.call}};
    if (piece.kind == Kind::call) {
      for (auto& [key, value] : call_json(*running_.job.tool_format, std::move(piece.text), "")) call[key] = value;
    } else {
      call["function"] = json::object{{"arguments", std::move(piece.text)}};
    }
    return {{"tool_calls", json::array{std::move(call)}}};
  }

  void send(json::array choices) {
    json::object chunk = running_.shape.envelope(true, std::move(choices));
    if (running_.job.params.include_usage) chunk["usage"] = nullptr;
    write("data: " + json::serialize(chunk) + "\n\n");
  }

  Running& running_;
  http::BodyWriter& writer_;
  std::vector<size_t> offsets_;
  std::vector<AnswerParser> parsers_;   // one a choice, if the job parses
  double written_at_ = monotonic_seconds();
};

}  // namespace

engine::GenerateRequest make_request(const GenerationParams& params, std::vector<int32_t> prompt, const std::string& adapter, uint32_t choice) {
  engine::GenerateRequest request;
  request.prompt = std::move(prompt);
  request.adapter = adapter;
  request.sampling = params.sampling;
  request.sampling.seed += choice;
  request.stop_strings = params.stop;
  request.stop_ids = params.stop_ids;
  request.ignore_eos = params.ignore_eos;
  request.constraint = params.constraint;
  request.show_special = params.show_special;
  request.max_tokens = params.max_tokens.value_or(UINT32_MAX);
  return request;
}

http::Response answer_generation(engine::Engine& engine, const http::Request& request, GenerationJob job) {
  const bool stream = job.params.stream;
  const auto running = std::make_shared<Running>(engine, std::move(job));
  if (!stream) return answer_whole(*running, request);
  // What is wrong with the request shows before the first token, while an error status can still be sent.
  const double begin = monotonic_seconds();
  while (!running->generation.wait_first(kPollSeconds) && monotonic_seconds() - begin < kFirstTokenSeconds) {
    if (request.client_gone && request.client_gone()) throw Error(Code::unavailable, "The client has gone");
  }
  http::Response response;
  response.headers.set("Content-Type", "text/event-stream; charset=utf-8");
  response.headers.set("Cache-Control", "no-cache");
  response.headers.set("X-Accel-Buffering", "no");
  response.stream = [running](http::BodyWriter& writer) {
    EventStream events(*running, writer);
    try {
      events.run();
    } catch (const Error& error) {
      if (writer.client_gone()) throw;
      events.write("data: " + openai_error_text(error) + "\n\n");
    }
  };
  return response;
}

}  // namespace lyceum::api
