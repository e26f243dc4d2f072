#include "api/anthropic/style.h"

#include "api/anthropic/error.h"
#include "base/random.h"

namespace lyceum::api {
namespace {

using Kind = ToolParser::Piece::Kind;

// What was read from the cache is not counted as input again. Before the end nothing is known of the cache.
json::object usage_json(const Usage& usage) {
  return {{"input_tokens", usage.prompt - usage.cached}, {"cache_creation_input_tokens", 0}, {"cache_read_input_tokens", usage.cached}, {"output_tokens", usage.completion}};
}

json::object stop_json(const engine::GenerateResult& result, size_t calls) {
  if (!result.stop_string.empty()) return {{"stop_reason", "stop_sequence"}, {"stop_sequence", result.stop_string}};
  const char* reason = result.finish == engine::Finish::length ? "max_tokens" : calls > 0 ? "tool_use" : "end_turn";
  return {{"stop_reason", reason}, {"stop_sequence", nullptr}};
}

// Arguments that max_tokens cut are no JSON: the block then has what can be had, an empty object.
json::value input_of(const std::string& arguments) {
  try {
    return arguments.empty() ? json::value(json::object{}) : parse_json(arguments, "arguments");
  } catch (const Error&) {
    return json::object{};
  }
}

class AnthropicStyle final : public AnswerStyle {
 public:
  explicit AnthropicStyle(const GenerationJob& job) : job_(job), id_("msg_" + secure_alphanumeric(24)) {}

  json::object whole(std::vector<WholeChoice> choices, const Usage& usage) override {
    WholeChoice& choice = choices.at(0);
    json::array content;
    if (!choice.reasoning.empty()) content.push_back(json::object{{"type", "thinking"}, {"thinking", choice.reasoning}, {"signature", ""}});
    if (!choice.content.empty()) content.push_back(json::object{{"type", "text"}, {"text", choice.content}, {"citations", nullptr}});
    for (const ToolCall& call : choice.calls) content.push_back(json::object{{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", input_of(call.arguments)}});
    json::object message = empty_message(usage);
    message["content"] = std::move(content);
    for (auto& [key, value] : stop_json(choice.result, choice.calls.size())) message[key] = value;
    return message;
  }

  std::string begin() override {
    Usage usage;
    usage.prompt = job_.requests.at(0).prompt.size();
    return event("message_start", {{"message", empty_message(usage)}}) + keep_alive();
  }

  std::string pieces(size_t, std::vector<ToolParser::Piece> pieces, const engine::GeneratedToken*) override {
    std::string out;
    for (ToolParser::Piece& piece : pieces) {
      if (piece.kind == Kind::call) {
        out += open(Kind::call, {{"type", "tool_use"}, {"id", new_call_id(*job_.tool_format)}, {"name", piece.text}, {"input", json::object{}}});
      } else if (piece.kind == Kind::arguments) {
        out += delta("input_json_delta", "partial_json", piece.text);
      } else if (piece.kind == Kind::reasoning) {
        if (!open_ || kind_ != Kind::reasoning) out += open(Kind::reasoning, {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}});
        out += delta("thinking_delta", "thinking", piece.text);
      } else {
        if (!open_ || kind_ != Kind::content) out += open(Kind::content, {{"type", "text"}, {"text", ""}});
        out += delta("text_delta", "text", piece.text);
      }
    }
    return out;
  }

  std::string end(size_t, const engine::GenerateResult& result, size_t calls) override {
    stop_ = stop_json(result, calls);
    return close();
  }

  std::string finish(const Usage& usage) override { return event("message_delta", {{"delta", stop_}, {"usage", usage_json(usage)}}) + event("message_stop", {}); }
  std::string keep_alive() override { return event("ping", {}); }
  std::string failure(const Error& error) override { return "event: error\ndata: " + anthropic_error_text(error) + "\n\n"; }

 private:
  static std::string event(std::string_view name, const json::object& fields) {
    json::object body{{"type", name}};
    for (const auto& [key, value] : fields) body[key] = value;
    return named_event(name, body);
  }

  json::object empty_message(const Usage& usage) const {
    return {{"id", id_}, {"type", "message"}, {"role", "assistant"}, {"model", job_.model}, {"content", json::array{}}, {"stop_reason", nullptr}, {"stop_sequence", nullptr}, {"usage", usage_json(usage)}};
  }

  std::string open(Kind kind, json::object block) {
    std::string out = close();
    open_ = true;
    kind_ = kind;
    return out + event("content_block_start", {{"index", index_}, {"content_block", std::move(block)}});
  }
  std::string delta(const char* type, const char* key, const std::string& text) const {
    return event("content_block_delta", {{"index", index_}, {"delta", json::object{{"type", type}, {key, text}}}});
  }
  std::string close() {
    if (!open_) return {};
    open_ = false;
    std::string out = kind_ == Kind::reasoning ? delta("signature_delta", "signature", "") : std::string();
    return out + event("content_block_stop", {{"index", index_++}});
  }

  const GenerationJob& job_;
  std::string id_;
  bool open_ = false;              // a block has begun
  Kind kind_ = Kind::content;      // of that block
  size_t index_ = 0;
  json::object stop_;
};

}  // namespace

std::unique_ptr<AnswerStyle> make_anthropic_style(const engine::Engine&, const GenerationJob& job) { return std::make_unique<AnthropicStyle>(job); }

}  // namespace lyceum::api
