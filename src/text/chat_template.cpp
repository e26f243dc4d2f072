#include "text/chat_template.h"

#include <array>

#include "base/clock.h"
#include "base/error.h"
#include "text/jinja/ast.h"
#include "text/jinja/parser.h"
#include "text/unicode.h"

namespace lyceum::text {
namespace {

constexpr size_t kSourceBytesMax = 256u << 10;

// A message's reasoning goes by several names; transformers gives a template all that it may read.
json::object with_reasoning_names(const json::object& message) {
  static constexpr std::array<std::string_view, 3> kNames = {"reasoning_content", "thinking", "reasoning"};
  for (const std::string_view name : kNames) {
    const json::value* reasoning = message.if_contains(name);
    if (reasoning == nullptr || reasoning->is_null()) continue;
    json::object out;
    if (!message.contains("thinking")) out["thinking"] = *reasoning;
    for (const auto& [key, value] : message) out[key] = value;
    out["reasoning_content"] = *reasoning;
    return out;
  }
  return message;
}

json::array messages_of(const ChatInputs& inputs) {
  json::array out;
  for (const json::value& message : inputs.messages) {
    if (!message.is_object()) throw Error(Code::invalid_argument, "a chat message is not an object");
    out.emplace_back(with_reasoning_names(message.get_object()));
  }
  return out;
}

void define_inputs(jinja::Context& context, const ChatInputs& inputs) {
  using jinja::Value;
  context.set("messages", Value::from_json(messages_of(inputs)));
  context.set("tools", inputs.tools.empty() ? Value(jinja::None{}) : Value::from_json(inputs.tools));
  context.set("documents", Value(jinja::None{}));
  context.set("add_generation_prompt", Value(inputs.add_generation_prompt));
  if (!inputs.bos_token.empty()) context.set("bos_token", Value(inputs.bos_token));
  if (!inputs.eos_token.empty()) context.set("eos_token", Value(inputs.eos_token));
  for (const auto& [key, value] : inputs.extra) context.set(std::string_view(key), Value::from_json(value));
}

}  // namespace

struct ChatTemplate::State {
  std::string source;
  jinja::Body body;
};

ChatTemplate::ChatTemplate(std::string_view source) : state_(std::make_unique<State>()) {
  if (source.size() > kSourceBytesMax) throw Error(Code::too_large, "the chat template is over 256 KiB");
  if (!is_valid_utf8(source)) throw Error(Code::invalid_argument, "the chat template is not UTF-8");
  state_->source = source;
  state_->body = jinja::parse(source);
}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;

const std::string& ChatTemplate::source() const noexcept { return state_->source; }

bool ChatTemplate::mentions(std::string_view text) const { return state_->source.find(text) != std::string::npos; }

std::string ChatTemplate::render(const ChatInputs& inputs) const {
  jinja::Context context(inputs.now_ms != 0 ? inputs.now_ms : SystemClock().now_ms());
  jinja::define_globals(context);
  define_inputs(context, inputs);
  try {
    jinja::execute(state_->body, context);
  } catch (const Error& error) {
    throw Error(error.code(), "chat template line " + std::to_string(context.line) + ": " + error.what(), error.tag());
  }
  return std::move(context.out);
}

}  // namespace lyceum::text
