#include "api/ollama/requests.h"

#include <fmt/format.h>

#include <deque>

#include "api/openai/fields.h"
#include "api/openai/request_error.h"

namespace lyceum::api {
namespace {

constexpr size_t kMessagesMax = 100'000;

// Options by another name here. The rest of kTaken says how the model is run, which this server decides, and changes no answer.
constexpr std::pair<const char*, const char*> kSame[] = {{"temperature", "temperature"}, {"top_k", "top_k"}, {"top_p", "top_p"}, {"min_p", "min_p"}, {"seed", "seed"},
                                                         {"repeat_penalty", "repetition_penalty"}, {"presence_penalty", "presence_penalty"}, {"frequency_penalty", "frequency_penalty"}};
constexpr const char* kTaken[] = {"num_predict", "stop", "num_ctx", "num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap", "use_mlock", "low_vram", "numa", "f16_kv", "vocab_only", "logits_all", "penalize_newline",
                                  "num_gqa", "rope_frequency_base", "rope_frequency_scale"};
// Accepted with the value that means "off".
constexpr std::pair<const char*, double> kNeutral[] = {{"mirostat", 0}, {"tfs_z", 1}, {"typical_p", 1}, {"repeat_last_n", -1}};

[[noreturn]] void refuse(const std::string& param, const std::string& why) { throw RequestError(param, param + " " + why, "unsupported_parameter"); }

void check_option(const std::string& name, const json::value& value) {
  const std::string param = "options." + name;
  for (const auto& [known, other] : kSame) {
    if (name == known) return;
  }
  for (const char* known : kTaken) {
    if (name == known) return;
  }
  for (const auto& [known, off] : kNeutral) {
    if (name != known) continue;
    if (!value.is_number() || value.to_number<double>() != off) refuse(param, fmt::format("is not supported but as {}, which turns it off", off));
    return;
  }
  if (name == "mirostat_tau" || name == "mirostat_eta") return;   // nothing without mirostat
  refuse(param, "is not an option that this server knows");
}

void read_options_into(const Fields& fields, json::object& out) {
  const json::value* value = fields.find("options");
  if (value == nullptr) return;
  const json::object& given = object_of(*value, "options");
  for (const auto& [name, one] : given) {
    if (!one.is_null()) check_option(std::string(name), one);
  }
  const Fields options(given);
  for (const auto& [theirs, ours] : kSame) {
    if (const json::value* one = options.find(theirs)) out[ours] = *one;
  }
  const auto tokens = options.integer("num_predict", -2, INT32_MAX);   // -1 and -2: until it ends
  if (tokens && *tokens > 0) out["max_tokens"] = *tokens;
  if (const json::value* stop = options.find("stop"); stop != nullptr && !(stop->is_array() && stop->get_array().empty())) out["stop"] = *stop;
}

void read_format_into(const Fields& fields, json::object& out) {
  const json::value* format = fields.find("format");
  if (format == nullptr || (format->is_string() && format->get_string().empty())) return;
  if (format->is_object()) {
    out["response_format"] = json::object{{"type", "json_schema"}, {"json_schema", json::object{{"name", "answer"}, {"schema", *format}}}};
  } else if (*format == json::value("json")) {
    out["response_format"] = json::object{{"type", "json_object"}};
  } else {
    throw RequestError("format", "format must be \"json\" or a JSON schema");
  }
}

void read_thinking_into(const Fields& fields, json::object& out) {
  const json::value* think = fields.find("think");
  if (think == nullptr) return;
  if (!think->is_bool() && !think->is_string()) throw RequestError("think", "think must be true, false, or a level");
  out["chat_template_kwargs"] = json::object{{"enable_thinking", !think->is_bool() || think->get_bool()}};
}

void refuse_images(const Fields& fields, const std::string& param) {
  const json::value* images = fields.find("images");
  if (images == nullptr || (images->is_array() && images->get_array().empty())) return;
  throw RequestError(param, param + ": images are not supported; models here read text", "unsupported_content");
}

// What both kinds of request share. An answer comes in pieces unless the request says otherwise.
void read_shared_into(const Fields& fields, json::object& out) {
  for (const char* name : {"logprobs", "top_logprobs"}) {
    const json::value* value = fields.find(name);
    if (value != nullptr && *value != json::value(false) && find_integer(*value) != 0) refuse(name, "is not supported here; /v1/chat/completions gives log-probabilities");
  }
  if (const json::value* model = fields.find("model")) out["model"] = *model;
  out["stream"] = fields.flag("stream").value_or(true);
  read_options_into(fields, out);
  read_format_into(fields, out);
}

// Calls have no ids in older clients, and templates may ask for nine letters: a result belongs to the first call that has none yet.
class MessageReader {
 public:
  json::object read(const json::value& value, const std::string& param) {
    const json::object& message = object_of(value, param);
    const Fields fields(message);
    refuse_images(fields, param + ".images");
    const std::string role = fields.text("role").value_or("");
    if (role != "system" && role != "user" && role != "assistant" && role != "tool") throw RequestError(param + ".role", param + ".role must be system, user, assistant or tool");
    json::object out{{"role", role}, {"content", fields.text("content").value_or("")}};
    if (const auto thoughts = fields.text("thinking"); thoughts && !thoughts->empty()) out["reasoning_content"] = *thoughts;
    if (const json::value* calls = fields.find("tool_calls")) read_calls(*calls, param + ".tool_calls", out);
    if (role == "tool") read_result(fields, out);
    return out;
  }

 private:
  void read_calls(const json::value& value, const std::string& param, json::object& out) {
    if (!value.is_array()) throw RequestError(param, param + " must be a list");
    json::array calls;
    for (const json::value& one : value.get_array()) {
      const std::string place = fmt::format("{}[{}]", param, calls.size());
      json::object call = object_of(one, place);
      std::string id = fmt::format("call{:05}", number_++);
      if (const auto given = Fields(call).text("id")) id = *given;
      waiting_.push_back(id);
      call["id"] = std::move(id);
      call["type"] = "function";
      calls.push_back(std::move(call));
    }
    if (!calls.empty()) out["tool_calls"] = std::move(calls);
  }

  void read_result(const Fields& fields, json::object& out) {
    if (const auto name = fields.text("tool_name")) out["name"] = *name;
    auto id = fields.text("tool_call_id");
    if (!id && !waiting_.empty()) id = waiting_.front();
    if (!id) return;
    std::erase(waiting_, *id);
    out["tool_call_id"] = *id;
  }

  unsigned number_ = 0;
  std::deque<std::string> waiting_;
};

json::array read_messages_of(const Fields& fields) {
  const json::value* messages = fields.find("messages");
  if (messages == nullptr || !messages->is_array() || messages->get_array().empty()) throw RequestError("messages", "messages must be a list with at least one message");
  if (messages->get_array().size() > kMessagesMax) throw RequestError("messages", fmt::format("messages may hold at most {} messages", kMessagesMax));
  MessageReader reader;
  json::array out;
  for (const json::value& one : messages->get_array()) out.push_back(reader.read(one, fmt::format("messages[{}]", out.size())));
  return out;
}

}  // namespace

json::object read_ollama_chat(const json::object& body) {
  const Fields fields(body);
  json::object out;
  read_shared_into(fields, out);
  read_thinking_into(fields, out);
  out["messages"] = read_messages_of(fields);
  if (const json::value* tools = fields.find("tools"); tools != nullptr && !(tools->is_array() && tools->get_array().empty())) out["tools"] = *tools;
  return out;
}

OllamaPrompt read_ollama_generate(const json::object& body, bool has_template) {
  const Fields fields(body);
  OllamaPrompt out;
  read_shared_into(fields, out.body);
  refuse_images(fields, "images");
  const std::string prompt = fields.text("prompt").value_or(""), system = fields.text("system").value_or(""), suffix = fields.text("suffix").value_or("");
  if (const json::value* context = fields.find("context"); context != nullptr && !(context->is_array() && context->get_array().empty())) refuse("context", "is not supported: send the conversation to /api/chat");
  if (const auto given = fields.text("template"); given && !given->empty()) refuse("template", "is not supported: the model's own is used; with raw, none is");
  out.empty = prompt.empty() && suffix.empty();
  out.chat = has_template && suffix.empty() && !fields.flag("raw").value_or(false);
  if (!out.chat) {
    if (!system.empty()) refuse("system", "needs a chat template, and none is used for this prompt");
    out.body["prompt"] = prompt;
    if (!suffix.empty()) out.body["suffix"] = suffix;
    if (!out.body.contains("max_tokens")) out.body["max_tokens"] = INT32_MAX;   // until it ends
    return out;
  }
  read_thinking_into(fields, out.body);
  json::array messages;
  if (!system.empty()) messages.push_back(json::object{{"role", "system"}, {"content", system}});
  messages.push_back(json::object{{"role", "user"}, {"content", prompt}});
  out.body["messages"] = std::move(messages);
  return out;
}

}  // namespace lyceum::api
