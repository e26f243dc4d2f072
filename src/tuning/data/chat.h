// chat.h: chats (JSON Lines with "messages") into samples in which only the assistant's turns are learned.
//
// Spans come from rendering turn by turn and comparing: the text up to the generation prompt is what the server will send, the
// rest of the turn up to its end token is what the model has to say. The two are tokenised apart, exactly as when serving.
// A template that rewrites earlier turns gives one sample per assistant turn instead of one per chat.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "tuning/data/sample.h"

namespace lyceum::tuning {

struct ChatTokens {
  std::string bos_token, eos_token;
  json::object extra;            // other special tokens the template may name
};

struct ChatOptions {
  size_t sequence_length = 1024;
  bool train_on_inputs = false;
};

struct ChatCounts {
  size_t chats = 0;
  size_t samples = 0;
  size_t too_long = 0;           // cut at the end to fit
  size_t dropped = 0;            // nothing labelled was left after the cut
};

// One chat -> one sample, or one per assistant turn. Throws Error naming `where` for a malformed chat, one without an
// assistant turn, or a template that puts no end token after a turn.
std::vector<Sample> chat_samples(const json::array& messages, const text::ChatTemplate& chat_template, const text::Tokenizer& tokenizer,
                                 const ChatTokens& tokens, const ChatOptions& options, const std::string& where);

// prompt: messages; answer: the assistant's message that follows. One sample in which only the answer and its end token are labelled.
Sample answer_sample(const json::array& prompt, const json::value& answer, const text::ChatTemplate& chat_template, const text::Tokenizer& tokenizer,
                     const ChatTokens& tokens, const std::string& where);

// The messages of every line. Accepts {"messages": […]}, {"conversations": [{"from","value"}]} and
// {"instruction","input","output"} / {"prompt","completion"}.
std::vector<json::array> load_chats(const std::filesystem::path& jsonl);

std::shared_ptr<const SampleSource> make_chat_source(const std::vector<json::array>& chats, const text::ChatTemplate& chat_template,
                                                     const text::Tokenizer& tokenizer, const ChatTokens& tokens, const ChatOptions& options,
                                                     ChatCounts& counts);

}  // namespace lyceum::tuning
