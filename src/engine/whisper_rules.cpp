#include "engine/whisper_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "engine/languages.h"

namespace lyceum::engine {
namespace {

constexpr size_t kMultilingualVocab = 51865;   // of models whose generation_config.json does not say whether they know one language
constexpr float kNever = -std::numeric_limits<float>::infinity();

// Reads ids and refuses those that are no tokens.
class TokenReader {
 public:
  TokenReader(const json::object& generation, const text::Tokenizer& tokenizer, size_t vocab) : generation_(generation), tokenizer_(tokenizer), vocab_(static_cast<int64_t>(vocab)) {}

  int32_t check(int64_t id, std::string_view what) const {
    if (id < 0 || id >= vocab_) throw Error(Code::unprocessable, "generation_config.json: " + std::string(what) + " is " + std::to_string(id) + ", which is no token of the model");
    return static_cast<int32_t>(id);
  }

  int32_t get(const char* field, const char* token) const {
    if (const auto id = find_int(generation_, field)) return check(*id, field);
    if (const auto id = tokenizer_.find_id(token)) return check(*id, token);
    throw Error(Code::unprocessable, std::string("neither generation_config.json (") + field + ") nor the tokenizer knows " + token);
  }

  std::vector<int32_t> list(const char* field) const {
    std::vector<int32_t> out;
    const json::array* ids = find_array(generation_, field);
    if (ids == nullptr) return out;
    for (const json::value& id : *ids) {
      if (!id.is_int64()) throw Error(Code::unprocessable, std::string("generation_config.json: ") + field + " must be a list of token ids");
      if (id.get_int64() >= 0) out.push_back(check(id.get_int64(), field));   // -1 stands for none
    }
    return out;
  }

  bool multilingual() const { return find_bool(generation_, "is_multilingual").value_or(vocab_ >= static_cast<int64_t>(kMultilingualVocab)); }

  int32_t task(const char* name) const {
    const json::object* tasks = find_object(generation_, "task_to_id");
    const auto id = tasks != nullptr ? find_int(*tasks, name) : std::nullopt;
    return id ? check(*id, name) : get(name, ("<|" + std::string(name) + "|>").c_str());
  }

  std::vector<std::pair<std::string, int32_t>> languages_of() const {
    const json::object* named = find_object(generation_, "lang_to_id");
    std::vector<std::pair<std::string, int32_t>> out;
    for (const Language& one : languages()) {
      const std::string token = "<|" + std::string(one.code) + "|>";
      std::optional<int64_t> id;
      if (named != nullptr) {
        id = find_int(*named, token);
      } else if (const auto known = tokenizer_.find_id(token)) {
        id = *known;
      }
      if (id) out.emplace_back(one.code, check(*id, token));
    }
    if (out.empty()) throw Error(Code::unprocessable, "neither generation_config.json (lang_to_id) nor the tokenizer knows a language");
    return out;
  }

 private:
  const json::object& generation_;
  const text::Tokenizer& tokenizer_;
  int64_t vocab_;
};

void forbid(std::span<float> scores, size_t begin, size_t end) {
  if (begin < end) std::fill(scores.begin() + static_cast<ptrdiff_t>(begin), scores.begin() + static_cast<ptrdiff_t>(end), kNever);
}

// The log of a sum of exponentials.
double total(std::span<const float> scores) {
  const float most = *std::ranges::max_element(scores);
  if (most == kNever) return static_cast<double>(kNever);
  double sum = 0;
  for (const float score : scores) sum += std::exp(static_cast<double>(score - most));
  return static_cast<double>(most) + std::log(sum);
}

void apply_timestamp_rules(const WhisperTokens& tokens, std::span<const int32_t> generated, std::span<float> scores) {
  const auto first = static_cast<size_t>(tokens.first_timestamp());
  const auto is_time = [&](int32_t id) { return id >= tokens.first_timestamp(); };
  scores[static_cast<size_t>(tokens.no_timestamps)] = kNever;
  const bool last = !generated.empty() && is_time(generated.back());
  const bool before = generated.size() < 2 || is_time(generated[generated.size() - 2]);
  if (last && before) forbid(scores, first, scores.size());                            // a pair is complete: text
  if (last && !before) forbid(scores, 0, static_cast<size_t>(tokens.end));             // text has ended: a second one, or the end
  const auto latest = std::find_if(generated.rbegin(), generated.rend(), is_time);
  if (latest != generated.rend()) forbid(scores, first, static_cast<size_t>(*latest) + (last && !before ? 0 : 1));
  if (generated.empty()) {
    forbid(scores, 0, first);
    if (tokens.latest_first) forbid(scores, std::min(scores.size(), first + static_cast<size_t>(*tokens.latest_first) + 1), scores.size());
  }
  // If timestamps together are likelier than every other token, it is one of them.
  if (total(scores.subspan(first)) > static_cast<double>(*std::ranges::max_element(scores.first(first)))) forbid(scores, 0, first);
}

}  // namespace

std::optional<int32_t> WhisperTokens::find_language(std::string_view code) const {
  const auto found = std::ranges::find(languages, code, &std::pair<std::string, int32_t>::first);
  return found == languages.end() ? std::nullopt : std::optional(found->second);
}

WhisperTokens read_whisper_tokens(const json::object& generation, const text::Tokenizer& tokenizer, size_t vocab, size_t positions) {
  const TokenReader reader(generation, tokenizer, vocab);
  WhisperTokens out;
  out.start = reader.get("decoder_start_token_id", "<|startoftranscript|>");
  out.end = reader.get("eos_token_id", "<|endoftext|>");
  out.previous = reader.get("prev_sot_token_id", "<|startofprev|>");
  out.no_timestamps = reader.get("no_timestamps_token_id", "<|notimestamps|>");
  if (out.no_timestamps <= out.end || static_cast<size_t>(out.first_timestamp()) >= vocab) throw Error(Code::unprocessable, "generation_config.json: no_timestamps_token_id must lie between the end token and the timestamps");
  if (reader.multilingual()) {
    out.languages = reader.languages_of();
    out.transcribe = reader.task("transcribe");
    out.translate = reader.task("translate");
  }
  out.suppressed = reader.list("suppress_tokens");
  out.suppressed_first = reader.list("begin_suppress_tokens");
  if (const auto latest = find_int(generation, "max_initial_timestamp_index")) out.latest_first = static_cast<int32_t>(std::clamp<int64_t>(*latest, 0, static_cast<int64_t>(vocab)));
  out.length_max = static_cast<size_t>(std::clamp<int64_t>(find_int(generation, "max_length").value_or(static_cast<int64_t>(positions)), 8, static_cast<int64_t>(positions)));
  return out;
}

void apply_whisper_rules(const WhisperTokens& tokens, bool timestamps, std::span<const int32_t> generated, std::span<float> scores) {
  if (generated.empty()) {
    for (const int32_t id : tokens.suppressed_first) scores[static_cast<size_t>(id)] = kNever;
  }
  for (const int32_t id : tokens.suppressed) scores[static_cast<size_t>(id)] = kNever;
  if (timestamps) apply_timestamp_rules(tokens, generated, scores);
}

CutWindow cut_window(const WhisperTokens& tokens, std::span<const int32_t> ids, size_t frames) {
  const auto is_time = [&](size_t i) { return ids[i] >= tokens.first_timestamp(); };
  const auto seconds = [&](size_t i) { return kTimestampSeconds * (ids[i] - tokens.first_timestamp()); };
  std::vector<size_t> ends;
  for (size_t i = 1; i < ids.size(); ++i) {
    if (is_time(i - 1) && is_time(i)) ends.push_back(i);
  }
  CutWindow out;
  out.frames = frames;
  if (ends.empty()) {
    double to = kTimestampSeconds * static_cast<double>(frames / kTimestampFrames);
    for (size_t i = ids.size(); i-- > 0;) {
      if (!is_time(i)) continue;
      if (ids[i] != tokens.first_timestamp()) to = seconds(i);
      break;
    }
    out.segments.push_back({0, ids.size(), 0, to});
    return out;
  }
  // One timestamp at the end says that nothing is spoken after it; a pair, that the window cuts what follows.
  const bool single = is_time(ids.size() - 1) && !is_time(ids.size() - 2);
  if (single) {
    ends.push_back(ids.size());
  } else {
    ++ends.back();
  }
  size_t begin = 0;
  for (const size_t end : ends) {
    const bool paired = end == ends.back() && !single;
    out.segments.push_back({begin, end, std::max(0.0, seconds(begin)), seconds(end - (paired ? 2 : 1))});
    begin = end;
  }
  const auto steps = static_cast<size_t>(ids[begin - 2] - tokens.first_timestamp());
  if (!single && steps > 0) out.frames = steps * kTimestampFrames;
  return out;
}

}  // namespace lyceum::engine
