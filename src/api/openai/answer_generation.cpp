// From a running generation to the answer, in whatever style: waits for tokens, takes them apart, notices a client that has gone.
#include <utility>

#include "api/openai/answer_style.h"
#include "api/openai/generation.h"
#include "base/clock.h"
#include "base/random.h"

namespace lyceum::api {
namespace {

constexpr double kPollSeconds = 0.25;          // how soon a vanished client is noticed
constexpr double kFirstTokenSeconds = 10;      // a stream begins after this, even if the prompt is still being read
constexpr double kKeepAliveSeconds = 10;       // something now and then keeps proxies from giving up

using Pieces = std::vector<ToolParser::Piece>;

// The job, its running generation and what has been counted; shared by the handler and the stream that follows it.
struct Running {
  Running(engine::Engine& engine, GenerationJob given, const MakeStyle& make_style)
      : job(std::move(given)), style(make_style(engine, job)), begun_at(monotonic_seconds()), generation(engine, job.requests) {
    if (job.parses()) parsers.assign(job.requests.size(), AnswerParser(job.tool_format, job.reasoning));
  }

  void count(size_t choice, const engine::GenerateResult& result) {
    usage.completion += result.completion_tokens;
    usage.total_s = monotonic_seconds() - begun_at;
    if (usage.first_s == 0) usage.first_s = usage.total_s;
    if (choice % job.params.n != 0) return;  // choices of one prompt share it
    usage.prompt += result.prompt_tokens;
    usage.cached += result.cached_prompt_tokens;
  }

  Pieces take_apart(size_t choice, const std::string& text) {
    if (usage.first_s == 0) usage.first_s = monotonic_seconds() - begun_at;
    if (!parsers.empty()) return parsers[choice].push(text);
    return text.empty() ? Pieces{} : Pieces{{ToolParser::Piece::Kind::content, 0, text}};
  }
  Pieces rest_of(size_t choice) { return parsers.empty() ? Pieces{} : parsers[choice].finish(); }
  size_t calls_of(size_t choice) const { return parsers.empty() ? 0 : parsers[choice].calls(); }
  bool scores(const engine::GeneratedToken& token) const { return job.params.logprobs && token.id >= 0; }

  GenerationJob job;
  std::unique_ptr<AnswerStyle> style;
  double begun_at;
  Usage usage;
  std::vector<AnswerParser> parsers;   // one a choice, if the job parses
  Generation generation;
};

void add_pieces(const GenerationJob& job, Pieces pieces, WholeChoice& choice) {
  using Kind = ToolParser::Piece::Kind;
  for (auto& piece : pieces) {
    if (piece.kind == Kind::content) choice.content += piece.text;
    if (piece.kind == Kind::reasoning) choice.reasoning += piece.text;
    if (piece.kind == Kind::call) choice.calls.push_back({new_call_id(*job.tool_format), std::move(piece.text), ""});
    if (piece.kind == Kind::arguments) choice.calls.back().arguments += piece.text;
  }
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
      add_pieces(running.job, running.rest_of(event->choice), choice);
      choice.result = *event->result;
      running.count(event->choice, *event->result);
    } else {
      add_pieces(running.job, running.take_apart(event->choice, event->token.text), choice);
      if (running.scores(event->token)) choice.tokens.push_back(event->token);
    }
  }
  return http::Response::json(json::serialize(running.style->whole(std::move(choices), running.usage)));
}

class EventStream {
 public:
  EventStream(Running& running, http::BodyWriter& writer) : running_(running), writer_(writer) {}

  void run() {
    write(running_.style->begin());
    while (!running_.generation.done()) {
      const auto event = running_.generation.next(kPollSeconds);
      if (event) {
        take(*event);
      } else if (writer_.client_gone()) {
        return;
      } else if (monotonic_seconds() - written_at_ > kKeepAliveSeconds) {
        write(running_.style->keep_alive());
      }
    }
    write(running_.style->finish(running_.usage));
  }

  void write(const std::string& text) {
    if (!text.empty()) writer_.write(text);
    written_at_ = monotonic_seconds();
  }

 private:
  void take(const Generation::Event& event) {
    if (event.result) {
      running_.count(event.choice, *event.result);
      std::string last;
      if (Pieces rest = running_.rest_of(event.choice); !rest.empty()) last = running_.style->pieces(event.choice, std::move(rest), nullptr);
      return write(last + running_.style->end(event.choice, *event.result, running_.calls_of(event.choice)));
    }
    Pieces pieces = running_.take_apart(event.choice, event.token.text);
    const bool scores = running_.scores(event.token);
    if (!pieces.empty() || scores) write(running_.style->pieces(event.choice, std::move(pieces), scores ? &event.token : nullptr));
  }

  Running& running_;
  http::BodyWriter& writer_;
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

std::string new_call_id(const ToolFormat& format) { return format.id_size > 0 ? secure_alphanumeric(format.id_size) : "call_" + secure_alphanumeric(24); }

std::string named_event(std::string_view name, const json::object& body) { return "event: " + std::string(name) + "\ndata: " + json::serialize(body) + "\n\n"; }

http::Response answer_generation(engine::Engine& engine, const http::Request& request, GenerationJob job, const MakeStyle& make_style) {
  const bool stream = job.params.stream;
  const auto running = std::make_shared<Running>(engine, std::move(job), make_style);
  if (!stream) return answer_whole(*running, request);
  // What is wrong with the request shows before the first token, while an error status can still be sent.
  const double begin = monotonic_seconds();
  while (!running->generation.wait_first(kPollSeconds) && monotonic_seconds() - begin < kFirstTokenSeconds) {
    if (request.client_gone && request.client_gone()) throw Error(Code::unavailable, "The client has gone");
  }
  http::Response response;
  response.headers.set("Content-Type", running->style->stream_type());
  response.headers.set("Cache-Control", "no-cache");
  response.headers.set("X-Accel-Buffering", "no");
  response.stream = [running](http::BodyWriter& writer) {
    EventStream events(*running, writer);
    try {
      events.run();
    } catch (const Error& error) {
      if (writer.client_gone()) throw;
      events.write(running->style->failure(error));
    }
  };
  return response;
}

}  // namespace lyceum::api
