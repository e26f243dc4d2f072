// chat_template.h: renders the Jinja `chat_template` that models ship, with transformers' environment (trim_blocks,
// lstrip_blocks, loop controls, tojson, raise_exception, strftime_now, `{% generation %}`). An unknown filter, test,
// function or tag is an Error(unsupported) naming it with its line; raise_exception() in the template is
// Error(invalid_argument). Calling a method that would change a list or dictionary is refused, as in transformers'
// sandbox. Not supported by name: recursive loops, inheritance, include and import, formatting with %, whole numbers
// beyond 64 bits. Limits: source 256 KiB, output and any one text 16 MiB, 1e6 steps, values nested 100 deep, evaluation
// 600 deep. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace lyceum::text {

struct ChatInputs {
  json::array messages;  // [{"role","content",…}]
  json::array tools;     // may be empty: then `tools` is none
  bool add_generation_prompt = true;
  std::string bos_token, eos_token;  // and any other special tokens the template names:
  json::object extra;  // pad_token, unk_token, enable_thinking, documents, …; wins over the fields above
  int64_t now_ms = 0;  // what strftime_now() says, in local time; 0: the system clock
};

class ChatTemplate {
 public:
  explicit ChatTemplate(std::string_view source);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  std::string render(const ChatInputs& inputs) const;
  const std::string& source() const noexcept;
  bool mentions(std::string_view text) const;   // in its source: how one tells what a template knows

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lyceum::text
