#include "tuning/data/chat.h"

#include <algorithm>

#include "base/error.h"
#include "tuning/data/json_lines.h"

namespace lyceum::tuning {

namespace {

struct Span {
  std::string text;
  bool learned = false;
};

class Renderer {
 public:
  Renderer(const text::ChatTemplate& chat_template, const ChatTokens& tokens) : template_(chat_template), tokens_(tokens) {}

  std::string render(const json::array& messages, size_t count, bool generation_prompt) const {
    text::ChatInputs inputs;
    inputs.messages = json::array(messages.begin(), messages.begin() + count);
    inputs.add_generation_prompt = generation_prompt;
    inputs.bos_token = tokens_.bos_token;
    inputs.eos_token = tokens_.eos_token;
    inputs.extra = tokens_.extra;
    return template_.render(inputs);
  }

 private:
  const text::ChatTemplate& template_;
  const ChatTokens& tokens_;
};

bool is_assistant(const json::value& message) { return message.at("role").as_string() == "assistant"; }

void check_messages(const json::array& messages, const std::string& where) {
  bool answered = false;
  for (const json::value& message : messages) {
    const json::object& object = get_object(message, where);
    const std::string role = get_string(object, "role");
    answered = answered || role == "assistant";
  }
  if (!answered) throw Error(Code::unprocessable, where + ": the chat has no assistant turn, so there is nothing to learn from it");
}

// The chat up to and including the assistant turn `turn`, as spans; nullopt when `prefix` (what was rendered before) is not
// the beginning of this rendering, that is when the template rewrites history.
bool add_turn(const Renderer& renderer, const json::array& messages, size_t turn, std::string& rendered, std::vector<Span>& spans, const std::string& where) {
  const std::string prompt = renderer.render(messages, turn, true);
  const std::string whole = renderer.render(messages, turn + 1, false);
  if (!whole.starts_with(prompt)) {
    throw Error(Code::unprocessable, where + ": the chat template's generation prompt is not how it writes an assistant turn, so the model would be trained on a text it never sees");
  }
  if (!prompt.starts_with(rendered)) return false;
  spans.push_back({prompt.substr(rendered.size()), false});
  spans.push_back({whole.substr(prompt.size()), true});
  rendered = whole;
  return true;
}

// Labels through the last special token of the span (the end of turn); what the template writes after it is not the model's.
void append_learned(Sample& sample, const std::vector<int32_t>& ids, const text::Tokenizer& tokenizer, const std::string& where) {
  size_t end = ids.size();
  while (end > 0 && !tokenizer.is_special(ids[end - 1])) --end;
  if (end == 0) {
    throw Error(Code::unprocessable, where + ": the chat template writes no end token after an assistant turn, so the model would never learn to stop");
  }
  sample.ids.insert(sample.ids.end(), ids.begin(), ids.end());
  sample.labelled.insert(sample.labelled.end(), end, 1);
  sample.labelled.insert(sample.labelled.end(), ids.size() - end, 0);
}

Sample tokenize(const std::vector<Span>& spans, const text::Tokenizer& tokenizer, const ChatOptions& options, const std::string& where) {
  Sample sample;
  for (const Span& span : spans) {
    const auto ids = tokenizer.encode(span.text, {.add_special_tokens = false, .parse_special = true});
    if (span.learned) {
      append_learned(sample, ids, tokenizer, where);
      continue;
    }
    sample.ids.insert(sample.ids.end(), ids.begin(), ids.end());
    sample.labelled.insert(sample.labelled.end(), ids.size(), options.train_on_inputs ? 1 : 0);
  }
  if (sample.ids.size() > 1 && sample.ids[0] == sample.ids[1] && tokenizer.is_special(sample.ids[0])) {
    throw Error(Code::unprocessable, where + ": the chat template begins with the token " + tokenizer.decode({sample.ids.data(), 1}, false) +
                                         " twice, which the model has never seen: take one out of the template");
  }
  return sample;
}

json::object message(std::string_view role, std::string_view content) { return {{"role", role}, {"content", content}}; }

json::array from_conversations(const json::array& turns) {
  json::array out;
  for (const json::value& turn : turns) {
    const json::object& object = get_object(turn, "a turn");
    const std::string from = get_string(object, "from");
    out.push_back(message(from == "human" ? "user" : from == "gpt" ? "assistant" : from, get_string(object, "value")));
  }
  return out;
}

json::array messages_of(const json::object& line, const std::string& where) {
  if (const json::array* messages = find_array(line, "messages")) return *messages;
  if (const json::array* turns = find_array(line, "conversations")) return from_conversations(*turns);
  if (line.contains("instruction") && line.contains("output")) {
    const std::string input = find_string(line, "input").value_or("");
    return {message("user", get_string(line, "instruction") + (input.empty() ? "" : "\n" + input)), message("assistant", get_string(line, "output"))};
  }
  if (line.contains("prompt") && line.contains("completion")) {
    return {message("user", get_string(line, "prompt")), message("assistant", get_string(line, "completion"))};
  }
  if (line.contains("chosen") && line.contains("rejected")) throw Error(Code::unprocessable, where + ": this is a preference pair; set objective to dpo or orpo to learn from pairs");
  throw Error(Code::unprocessable, where + ": expected a key 'messages', 'conversations', 'instruction' with 'output', or 'prompt' with 'completion'");
}

}  // namespace

std::vector<Sample> chat_samples(const json::array& messages, const text::ChatTemplate& chat_template, const text::Tokenizer& tokenizer,
                                 const ChatTokens& tokens, const ChatOptions& options, const std::string& where) {
  check_messages(messages, where);
  const Renderer renderer(chat_template, tokens);
  std::vector<Sample> samples;
  std::vector<Span> spans;
  std::string rendered;
  for (size_t turn = 0; turn < messages.size(); ++turn) {
    if (!is_assistant(messages[turn])) continue;
    if (add_turn(renderer, messages, turn, rendered, spans, where)) continue;
    samples.push_back(tokenize(spans, tokenizer, options, where));
    spans.clear();
    rendered.clear();
    add_turn(renderer, messages, turn, rendered, spans, where);
  }
  samples.push_back(tokenize(spans, tokenizer, options, where));
  return samples;
}

Sample answer_sample(const json::array& prompt, const json::value& answer, const text::ChatTemplate& chat_template, const text::Tokenizer& tokenizer,
                     const ChatTokens& tokens, const std::string& where) {
  json::array messages = prompt;
  messages.push_back(answer);
  std::string rendered;
  std::vector<Span> spans;
  add_turn(Renderer(chat_template, tokens), messages, prompt.size(), rendered, spans, where);
  return tokenize(spans, tokenizer, {}, where);
}

std::vector<json::array> load_chats(const std::filesystem::path& jsonl) {
  std::vector<json::array> chats;
  for_each_json_line(jsonl, [&](const json::object& object, const std::string& where) { chats.push_back(messages_of(object, where)); });
  if (chats.empty()) throw Error(Code::unprocessable, jsonl.string() + ": the file holds no chat");
  return chats;
}

std::shared_ptr<const SampleSource> make_chat_source(const std::vector<json::array>& chats, const text::ChatTemplate& chat_template,
                                                     const text::Tokenizer& tokenizer, const ChatTokens& tokens, const ChatOptions& options,
                                                     ChatCounts& counts) {
  std::vector<Sample> kept;
  for (size_t i = 0; i < chats.size(); ++i) {
    ++counts.chats;
    for (Sample& sample : chat_samples(chats[i], chat_template, tokenizer, tokens, options, "chat " + std::to_string(i + 1))) {
      if (sample.ids.size() > options.sequence_length) {
        ++counts.too_long;
        sample.ids.resize(options.sequence_length);
        sample.labelled.resize(options.sequence_length);
      }
      if (sample.labels() == 0) {
        ++counts.dropped;
        continue;
      }
      kept.push_back(std::move(sample));
      ++counts.samples;
    }
  }
  if (kept.empty()) {
    throw Error(Code::unprocessable, "no chat has a labelled token within " + std::to_string(options.sequence_length) +
                                         " tokens: raise seq_len, or check the roles and the chat template");
  }
  return make_fixed_source(std::move(kept));
}

}  // namespace lyceum::tuning
