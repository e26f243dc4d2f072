#include "tuning/data/preference_pairs.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "tuning/data/json_lines.h"

namespace lyceum::tuning {

namespace {

json::object message(std::string_view role, std::string_view content) { return {{"role", role}, {"content", content}}; }

// {"role", "content"} or {"from", "value"}.
json::object to_message(const json::value& turn, const std::string& where) {
  const json::object& object = get_object(turn, where);
  if (!object.contains("from")) return message(get_string(object, "role"), get_string(object, "content"));
  const std::string from = get_string(object, "from");
  return message(from == "human" ? "user" : from == "gpt" ? "assistant" : from, get_string(object, "value"));
}

json::array to_messages(const json::value& value, const std::string& where) {
  json::array out;
  if (value.is_string()) return {message("user", std::string_view(value.as_string()))};
  if (!value.is_array()) throw Error(Code::unprocessable, where + ": expected a text or a list of messages");
  for (const json::value& turn : value.as_array()) out.push_back(to_message(turn, where));
  return out;
}

// An answer: a text, one message, or a list of exactly one.
json::object to_answer(const json::value& value, const std::string& where) {
  if (value.is_string()) return message("assistant", std::string_view(value.as_string()));
  if (value.is_array() && value.as_array().size() != 1) {
    throw Error(Code::unprocessable, where + ": after the prompt, chosen and rejected must each be one assistant turn, not " + std::to_string(value.as_array().size()) + " turns");
  }
  json::object answer = to_message(value.is_array() ? value.as_array()[0] : value, where);
  if (answer.at("role").as_string() != "assistant") throw Error(Code::unprocessable, where + ": chosen and rejected must be the assistant's turns");
  return answer;
}

json::array rest_of(const json::array& turns, size_t from) { return json::array(turns.begin() + static_cast<std::ptrdiff_t>(from), turns.end()); }

PreferencePair pair_of(const json::object& line, const std::string& where) {
  const json::value* chosen = line.if_contains("chosen");
  const json::value* rejected = line.if_contains("rejected");
  if (chosen == nullptr || rejected == nullptr) throw Error(Code::unprocessable, where + ": a preference pair needs the keys 'chosen' and 'rejected'");
  PreferencePair pair;
  if (const json::value* prompt = line.if_contains("prompt")) {
    pair.plain = prompt->is_string() && chosen->is_string() && rejected->is_string();
    pair.prompt = to_messages(*prompt, where);
  } else if (const json::value* turns = line.if_contains("conversations")) {
    pair.prompt = to_messages(*turns, where);
  } else if (line.contains("instruction")) {
    const std::string input = find_string(line, "input").value_or("");
    pair.prompt = {message("user", get_string(line, "instruction") + (input.empty() ? "" : "\n" + input))};
  } else {
    if (!chosen->is_array() || !rejected->is_array()) throw Error(Code::unprocessable, where + ": without a prompt, chosen and rejected must be whole chats");
    const json::array good = to_messages(*chosen, where), bad = to_messages(*rejected, where);
    size_t common = 0;
    while (common < good.size() && common < bad.size() && good[common] == bad[common]) ++common;
    if (common > 0 && common == good.size() && common == bad.size()) --common;   // identical: still a pair, dropped later
    pair.prompt = rest_of(good, 0);
    pair.prompt.resize(common);
    pair.chosen = to_answer(rest_of(good, common), where);
    pair.rejected = to_answer(rest_of(bad, common), where);
  }
  if (pair.chosen.is_null()) pair.chosen = to_answer(*chosen, where), pair.rejected = to_answer(*rejected, where);
  if (pair.prompt.empty()) throw Error(Code::unprocessable, where + ": the pair has no prompt that both answers share");
  for (const json::value* answer : {&pair.chosen, &pair.rejected}) {
    if (answer->at("content").as_string().empty()) throw Error(Code::unprocessable, where + ": an answer is empty");
  }
  return pair;
}

void check_written(const PreferencePair& pair, const text::ChatTemplate* chat_template, int32_t end_token, const std::string& where) {
  if (chat_template == nullptr && !pair.plain) {
    throw Error(Code::unprocessable, where + ": the base model has no chat template, so messages cannot be written the way it will see them; give prompt and answers as texts");
  }
  if (chat_template == nullptr && end_token < 0) throw Error(Code::unprocessable, "neither the tokenizer nor the model's config names a token that ends an answer");
}

bool label_of(const json::object& line, const std::string& where) {
  for (const char* name : {"label", "kto_tag"}) {
    const json::value* value = line.if_contains(name);
    if (value == nullptr) continue;
    if (!value->is_bool()) throw Error(Code::unprocessable, where + ": '" + std::string(name) + "' must be true (a good answer) or false (a bad one)");
    return value->as_bool();
  }
  throw Error(Code::unprocessable, where + ": an example needs 'label', true for a good answer and false for a bad one, or a pair of 'chosen' and 'rejected'");
}

PreferencePair example_of(const json::object& line, const std::string& where) {
  PreferencePair example;
  example.desirable = label_of(line, where);
  const json::value* prompt = line.if_contains("prompt");
  if (const json::value* completion = line.if_contains("completion"); prompt != nullptr && completion != nullptr) {
    example.plain = prompt->is_string() && completion->is_string();
    example.prompt = to_messages(*prompt, where);
    example.chosen = to_answer(*completion, where);
  } else if (line.contains("instruction")) {
    const std::string input = find_string(line, "input").value_or("");
    example.prompt = {message("user", get_string(line, "instruction") + (input.empty() ? "" : "\n" + input))};
    example.chosen = message("assistant", get_string(line, "output"));
  } else {
    const json::value* turns = line.if_contains("messages") != nullptr ? line.if_contains("messages") : line.if_contains("conversations");
    if (turns == nullptr) throw Error(Code::unprocessable, where + ": an example needs 'prompt' and 'completion', or 'messages'");
    example.prompt = to_messages(*turns, where);
    if (example.prompt.size() < 2) throw Error(Code::unprocessable, where + ": the chat needs a prompt and the assistant's answer");
    example.chosen = to_answer(json::array{example.prompt.back()}, where);
    example.prompt.pop_back();
  }
  if (example.prompt.empty()) throw Error(Code::unprocessable, where + ": the example has no prompt");
  if (example.chosen.at("content").as_string().empty()) throw Error(Code::unprocessable, where + ": the answer is empty");
  return example;
}

Sample plain_sample(const PreferencePair& pair, const json::value& answer, const text::Tokenizer& tokenizer, int32_t end_token) {
  Sample sample;
  sample.ids = tokenizer.encode(std::string_view(pair.prompt[0].at("content").as_string()), {.add_special_tokens = true, .parse_special = false});
  sample.labelled.assign(sample.ids.size(), 0);
  const auto ids = tokenizer.encode(std::string_view(answer.at("content").as_string()), {.add_special_tokens = false, .parse_special = false});
  sample.ids.insert(sample.ids.end(), ids.begin(), ids.end());
  sample.ids.push_back(end_token);
  sample.labelled.resize(sample.ids.size(), 1);
  return sample;
}

Sample joined(Sample chosen, const Sample& rejected) {
  chosen.split = chosen.ids.size();
  chosen.ids.insert(chosen.ids.end(), rejected.ids.begin(), rejected.ids.end());
  chosen.labelled.insert(chosen.labelled.end(), rejected.labelled.begin(), rejected.labelled.end());
  return chosen;
}

}  // namespace

std::vector<PreferencePair> load_preferences(const std::filesystem::path& jsonl) {
  std::vector<PreferencePair> pairs;
  for_each_json_line(jsonl, [&](const json::object& object, const std::string& where) { pairs.push_back(pair_of(object, where)); });
  if (pairs.empty()) throw Error(Code::unprocessable, jsonl.string() + ": the file holds no preference pair");
  return pairs;
}

std::vector<PreferencePair> load_labelled_answers(const std::filesystem::path& jsonl) {
  std::vector<PreferencePair> examples;
  for_each_json_line(jsonl, [&](const json::object& object, const std::string& where) {
    if (!object.contains("chosen")) return examples.push_back(example_of(object, where));
    PreferencePair good = pair_of(object, where);
    PreferencePair bad = good;
    bad.chosen = good.rejected;
    bad.desirable = false;
    good.rejected = bad.rejected = nullptr;
    examples.push_back(std::move(good));
    examples.push_back(std::move(bad));
  });
  return examples;
}

namespace {

using MakeDocument = std::function<Sample(const PreferencePair&, const json::value&, const std::string&)>;

// Each example with its prompt and the answer of the nearest example before it that fits, around the end.
std::vector<Sample> example_samples(const std::vector<PreferencePair>& examples, const MakeDocument& make, size_t length_max, PreferenceCounts& counts) {
  std::vector<Sample> kept;
  for (size_t i = 0; i < examples.size(); ++i) {
    const PreferencePair& example = examples[i];
    const std::string where = "example " + std::to_string(i + 1);
    Sample sample = make(example, example.chosen, where), other;
    for (size_t back = 1; back < examples.size() && sample.ids.size() <= length_max && other.ids.empty(); ++back) {
      other = make(example, examples[(i + examples.size() - back) % examples.size()].chosen, where);
      if (other.ids.size() > length_max) other.ids.clear();
    }
    ++counts.pairs;
    if (sample.ids.size() > length_max || other.ids.empty()) {
      ++counts.too_long;
      continue;
    }
    sample = joined(std::move(sample), other);
    sample.desirable = example.desirable;
    sample.mismatched = true;
    kept.push_back(std::move(sample));
  }
  const auto good = static_cast<size_t>(std::ranges::count(kept, true, &Sample::desirable)), bad = kept.size() - good;
  counts.desirable += good;
  if (good == 0 || bad == 0) {
    throw Error(Code::unprocessable, "objective kto needs good and bad examples: " + std::to_string(good) + " good and " + std::to_string(bad) + " bad ones are left, " +
                                         std::to_string(counts.too_long) + " are too long; with one kind only nothing holds the model back");
  }
  return kept;
}

}  // namespace

std::shared_ptr<const SampleSource> make_preference_source(const std::vector<PreferencePair>& pairs, const text::ChatTemplate* chat_template,
                                                           const text::Tokenizer& tokenizer, const ChatTokens& tokens, const PreferenceSampleOptions& options,
                                                           PreferenceCounts& counts) {
  const size_t sequence_length = options.sequence_length;
  const int32_t end_token = options.end_token;
  if (options.examples) {
    const auto make = [&](const PreferencePair& example, const json::value& answer, const std::string& where) {
      check_written(example, chat_template, end_token, where);
      return chat_template == nullptr ? plain_sample(example, answer, tokenizer, end_token) : answer_sample(example.prompt, answer, *chat_template, tokenizer, tokens, where);
    };
    return make_fixed_source(example_samples(pairs, make, sequence_length, counts));
  }
  std::vector<Sample> kept;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const PreferencePair& pair = pairs[i];
    const std::string where = "pair " + std::to_string(i + 1);
    check_written(pair, chat_template, end_token, where);
    ++counts.pairs;
    if (pair.chosen == pair.rejected) {
      ++counts.identical;
      continue;
    }
    const auto sample_of = [&](const json::value& answer) {
      return chat_template == nullptr ? plain_sample(pair, answer, tokenizer, end_token) : answer_sample(pair.prompt, answer, *chat_template, tokenizer, tokens, where);
    };
    Sample chosen = sample_of(pair.chosen);
    const Sample rejected = sample_of(pair.rejected);
    if (std::max(chosen.ids.size(), rejected.ids.size()) > sequence_length) {
      ++counts.too_long;
      continue;
    }
    if (options.learn_chosen) std::replace(chosen.labelled.begin(), chosen.labelled.end(), uint8_t{0}, uint8_t{2});
    kept.push_back(joined(std::move(chosen), rejected));
  }
  if (kept.empty()) {
    throw Error(Code::unprocessable, "no preference pair is left: " + std::to_string(counts.too_long) + " are longer than seq_len " + std::to_string(sequence_length) + ", " +
                                         std::to_string(counts.identical) + " have the same chosen and rejected answer");
  }
  return make_fixed_source(std::move(kept));
}

}  // namespace lyceum::tuning
