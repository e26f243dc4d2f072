// chat_template.h: renders the Jinja `chat_template` that models ship, with transformers' environment (trim_blocks,
// lstrip_blocks, loop controls, tojson, raise_exception, strftime_now, `{% generation %}`). An unknown filter, test, function or
// tag is an Error(unsupported) naming it with its line; raise_exception() in the template is Error(invalid_argument).
// Limits: source 256 KiB, output 16 MiB, 1e6 steps, depth 100.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace lyceum::text {

struct ChatInputs {
  json::array messages;             // [{"role","content",…}]
  json::array tools;                // may be empty: then `tools` is none
  bool add_generation_prompt = true;
  std::string bos_token, eos_token; // and any other special tokens the template names:
  json::object extra;               // pad_token, unk_token, enable_thinking, documents, …
};

class ChatTemplate {
 public:
  explicit ChatTemplate(std::string_view source);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  std::string render(const ChatInputs& inputs) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lyceum::text
