#include "api/responses/style.h"

#include <ctime>
#include <utility>

#include "api/openai/request_error.h"
#include "base/random.h"

namespace lyceum::api {
namespace {

using Kind = ToolParser::Piece::Kind;

json::object usage_json(const Usage& usage) {
  return {{"input_tokens", usage.prompt},
          {"input_tokens_details", json::object{{"cached_tokens", usage.cached}}},
          {"output_tokens", usage.completion},
          {"output_tokens_details", json::object{{"reasoning_tokens", 0}}},
          {"total_tokens", usage.prompt + usage.completion}};
}

// One item of the output, growing while it is streamed.
struct Item {
  Kind kind = Kind::content;   // content, reasoning or call
  std::string id, text;        // text: or the arguments of the call
  std::string call_id, name, space;

  json::object part() const {
    if (kind == Kind::reasoning) return {{"type", "reasoning_text"}, {"text", text}};
    return {{"type", "output_text"}, {"text", text}, {"annotations", json::array{}}, {"logprobs", json::array{}}};
  }
  json::object json(const char* status) const {
    if (kind == Kind::call) {
      json::object out{{"id", id}, {"type", "function_call"}, {"status", status}, {"call_id", call_id}, {"name", name}, {"arguments", text}};
      if (!space.empty()) out["namespace"] = space;
      return out;
    }
    json::array content;
    if (!text.empty() || std::string_view(status) != "in_progress") content.push_back(part());
    if (kind == Kind::reasoning) return {{"id", id}, {"type", "reasoning"}, {"summary", json::array{}}, {"content", std::move(content)}, {"status", status}};
    return {{"id", id}, {"type", "message"}, {"status", status}, {"role", "assistant"}, {"content", std::move(content)}};
  }
};

Item new_item(Kind kind) {
  const char* prefix = kind == Kind::call ? "fc_" : kind == Kind::reasoning ? "rs_" : "msg_";
  return {kind, prefix + secure_alphanumeric(24), {}, {}, {}, {}};
}

class ResponsesStyle final : public AnswerStyle {
 public:
  ResponsesStyle(const GenerationJob& job, const ResponsesRequest& request) : job_(job), echo_(request.echo), namespaced_(request.namespaced), id_("resp_" + secure_alphanumeric(24)), created_(std::time(nullptr)) {}

  json::object whole(std::vector<WholeChoice> choices, const Usage& usage) override {
    WholeChoice& choice = choices.at(0);
    cut_ = choice.result.finish == engine::Finish::length;
    const auto add = [this](Kind kind, std::string text) -> Item& {
      done_.push_back(new_item(kind));
      done_.back().text = std::move(text);
      return done_.back();
    };
    if (!choice.reasoning.empty()) add(Kind::reasoning, std::move(choice.reasoning));
    if (!choice.content.empty() || choice.calls.empty()) add(Kind::content, std::move(choice.content));
    for (ToolCall& call : choice.calls) {
      Item& item = add(Kind::call, std::move(call.arguments));
      item.call_id = std::move(call.id);
      name_call(item, std::move(call.name));
    }
    return response(last_status(), &usage);
  }

  std::string begin() override {
    std::string out = event("response.created", {{"response", response("in_progress", nullptr)}});
    return out += event("response.in_progress", {{"response", response("in_progress", nullptr)}});
  }

  std::string pieces(size_t, std::vector<ToolParser::Piece> pieces, const engine::GeneratedToken*) override {
    std::string out;
    for (ToolParser::Piece& piece : pieces) {
      if (piece.kind == Kind::call) {
        Item item = new_item(Kind::call);
        item.call_id = new_call_id(*job_.tool_format);
        name_call(item, std::move(piece.text));
        out += open(std::move(item));
        continue;
      }
      const Kind kind = piece.kind == Kind::arguments ? Kind::call : piece.kind;
      if (!open_ || item_.kind != kind) out += open(new_item(kind));
      item_.text += piece.text;
      const char* name = kind == Kind::call ? "response.function_call_arguments.delta" : kind == Kind::reasoning ? "response.reasoning_text.delta" : "response.output_text.delta";
      out += event(name, placed({{"delta", piece.text}}));
    }
    return out;
  }

  std::string end(size_t, const engine::GenerateResult& result, size_t) override {
    cut_ = result.finish == engine::Finish::length;
    std::string out;
    if (!open_ && done_.empty()) out = open(new_item(Kind::content));   // an answer without a token is an empty message
    return out + close();
  }

  std::string finish(const Usage& usage) override { return event(cut_ ? "response.incomplete" : "response.completed", {{"response", response(last_status(), &usage)}}); }

  std::string failure(const Error& error) override {
    json::object failed = response("failed", nullptr);
    failed["error"] = json::object{{"code", "server_error"}, {"message", error.what()}};
    return event("response.failed", {{"response", std::move(failed)}});
  }

 private:
  void name_call(Item& item, std::string name) const {
    const auto known = namespaced_.find(name);
    item.name = known == namespaced_.end() ? std::move(name) : known->second.name;
    if (known != namespaced_.end()) item.space = known->second.space;
  }

  const char* last_status() const { return cut_ ? "incomplete" : "completed"; }

  std::string event(std::string_view name, json::object fields) {
    json::object body{{"type", name}, {"sequence_number", number_++}};
    for (auto& [key, value] : fields) body[key] = std::move(value);
    return named_event(name, body);
  }

  // Where the open item is.
  json::object placed(json::object fields) const {
    fields["item_id"] = item_.id;
    fields["output_index"] = done_.size();
    if (item_.kind == Kind::call) return fields;
    fields["content_index"] = 0;
    if (item_.kind == Kind::content) fields["logprobs"] = json::array{};
    return fields;
  }

  std::string open(Item item) {
    std::string out = close();
    open_ = true;
    item_ = std::move(item);
    out += event("response.output_item.added", {{"output_index", done_.size()}, {"item", item_.json("in_progress")}});
    if (item_.kind != Kind::call) out += event("response.content_part.added", placed({{"part", item_.part()}}));
    return out;
  }

  std::string close() {
    if (!open_) return {};
    open_ = false;
    std::string out;
    if (item_.kind == Kind::call) {
      out += event("response.function_call_arguments.done", placed({{"name", item_.name}, {"arguments", item_.text}}));
    } else {
      out += event(item_.kind == Kind::reasoning ? "response.reasoning_text.done" : "response.output_text.done", placed({{"text", item_.text}}));
      out += event("response.content_part.done", placed({{"part", item_.part()}}));
    }
    out += event("response.output_item.done", {{"output_index", done_.size()}, {"item", item_.json("completed")}});
    done_.push_back(std::move(item_));
    return out;
  }

  json::object response(const char* status, const Usage* usage) const {
    json::array output;
    for (const Item& item : done_) output.push_back(item.json(&item == &done_.back() ? status : "completed"));
    json::object out{{"id", id_}, {"object", "response"}, {"created_at", created_}, {"status", status}, {"background", false}, {"error", nullptr}, {"incomplete_details", nullptr}, {"model", job_.model},
                     {"output", std::move(output)}, {"previous_response_id", nullptr}, {"store", false}, {"truncation", "disabled"}, {"usage", nullptr}};
    if (cut_) out["incomplete_details"] = json::object{{"reason", "max_output_tokens"}};
    if (usage != nullptr) out["usage"] = usage_json(*usage);
    for (const auto& [key, value] : echo_) out[key] = value;
    return out;
  }

  const GenerationJob& job_;
  json::object echo_;
  std::map<std::string, NamespacedName> namespaced_;
  std::string id_;
  int64_t created_;
  std::vector<Item> done_;
  Item item_;
  bool open_ = false, cut_ = false;
  uint64_t number_ = 0;
};

}  // namespace

std::unique_ptr<AnswerStyle> make_responses_style(const GenerationJob& job, const ResponsesRequest& request) { return std::make_unique<ResponsesStyle>(job, request); }

}  // namespace lyceum::api
