#include "api/ollama/style.h"

#include "base/clock.h"

namespace lyceum::api {
namespace {

using Kind = ToolParser::Piece::Kind;

int64_t nanoseconds(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

// Arguments that num_predict cut are no JSON.
json::value arguments_of(const std::string& text) {
  try {
    return text.empty() ? json::value(json::object{}) : parse_json(text, "arguments");
  } catch (const Error&) {
    return json::object{};
  }
}

class OllamaStyle final : public AnswerStyle {
 public:
  OllamaStyle(const GenerationJob& job, bool chat) : job_(job), chat_(chat) {}

  json::object whole(std::vector<WholeChoice> choices, const Usage& usage) override {
    WholeChoice& choice = choices.at(0);
    finish_ = choice.result.finish;
    json::object out = record(choice.content, choice.reasoning, choice.calls);
    add_end(usage, out);
    return out;
  }

  std::string_view stream_type() const override { return "application/x-ndjson"; }
  std::string begin() override { return {}; }

  // A call goes out whole, once the next one begins or the answer ends.
  std::string pieces(size_t, std::vector<ToolParser::Piece> pieces, const engine::GeneratedToken*) override {
    std::string out;
    for (ToolParser::Piece& piece : pieces) {
      if (piece.kind == Kind::arguments) {
        calls_.back().arguments += piece.text;
        continue;
      }
      out += send_calls();
      if (piece.kind == Kind::call) {
        calls_.push_back({new_call_id(*job_.tool_format), std::move(piece.text), ""});
      } else if (!piece.text.empty()) {
        const bool thought = piece.kind == Kind::reasoning;
        out += line(record(thought ? "" : piece.text, thought ? piece.text : "", {}));
      }
    }
    return out;
  }

  std::string end(size_t, const engine::GenerateResult& result, size_t) override {
    finish_ = result.finish;
    return send_calls();
  }

  std::string finish(const Usage& usage) override {
    json::object last = record("", "", {});
    add_end(usage, last);
    return line(std::move(last));
  }
  std::string keep_alive() override { return {}; }   // an empty line would be no record
  std::string failure(const Error& error) override { return ollama_error_text(error) + "\n"; }

 private:
  static std::string line(json::object record) { return json::serialize(record) + "\n"; }

  json::object record(const std::string& content, const std::string& thinking, const std::vector<ToolCall>& calls) const {
    json::object out = ollama_record(job_.model);
    if (!chat_) {
      out["response"] = content;
      if (!thinking.empty()) out["thinking"] = thinking;
    } else {
      json::object message{{"role", "assistant"}, {"content", content}};
      if (!thinking.empty()) message["thinking"] = thinking;
      json::array list;
      for (const ToolCall& call : calls) list.push_back(json::object{{"id", call.id}, {"function", json::object{{"index", list.size()}, {"name", call.name}, {"arguments", arguments_of(call.arguments)}}}});
      if (!list.empty()) message["tool_calls"] = std::move(list);
      out["message"] = std::move(message);
    }
    out["done"] = false;
    return out;
  }

  void add_end(const Usage& usage, json::object& out) const {
    out["done"] = true;
    out["done_reason"] = finish_ == engine::Finish::length ? "length" : "stop";
    out["total_duration"] = nanoseconds(usage.total_s);
    out["load_duration"] = 0;
    out["prompt_eval_count"] = usage.prompt;
    out["prompt_eval_duration"] = nanoseconds(usage.first_s);
    out["eval_count"] = usage.completion;
    out["eval_duration"] = nanoseconds(usage.total_s - usage.first_s);
  }

  std::string send_calls() {
    if (calls_.empty()) return {};
    std::string out = line(record("", "", calls_));
    calls_.clear();
    return out;
  }

  const GenerationJob& job_;
  bool chat_;
  std::vector<ToolCall> calls_;   // begun, not sent
  engine::Finish finish_ = engine::Finish::stop;
};

}  // namespace

std::unique_ptr<AnswerStyle> make_ollama_chat_style(const engine::Engine&, const GenerationJob& job) { return std::make_unique<OllamaStyle>(job, true); }
std::unique_ptr<AnswerStyle> make_ollama_text_style(const engine::Engine&, const GenerationJob& job) { return std::make_unique<OllamaStyle>(job, false); }

json::object ollama_record(const std::string& model) { return {{"model", model}, {"created_at", iso8601(SystemClock().now_ms())}}; }
std::string ollama_error_text(const Error& error) { return json::serialize(json::object{{"error", error.what()}}); }

}  // namespace lyceum::api
