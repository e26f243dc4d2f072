#include "tuning/data/prepare.h"

#include <algorithm>
#include <span>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "text/chat_template.h"
#include "tuning/data/chat.h"
#include "tuning/data/code_samples.h"
#include "tuning/data/fim.h"
#include "tuning/data/near_duplicates.h"

namespace lyceum::tuning {

namespace {

std::string token_text(const json::value& value) {
  if (value.is_string()) return std::string(value.as_string());
  if (value.is_object()) return find_string(value.as_object(), "content").value_or("");
  return {};
}

std::string detect_format(const Recipe& recipe, const fs::path& path) {
  if (recipe.data_format != "auto") return recipe.data_format;
  if (fs::is_directory(path)) return "code";
  if (path.extension() == ".jsonl") return "chat";
  return "text";
}

RawData load_code(const fs::path& path, const CodeFilter& filter, std::string format) {
  RawData data;
  data.format = std::move(format);
  data.files = collect_code_files(path, filter);
  for (const CodeFile& file : data.files.train) data.documents.push_back(file.text);
  data.manifest_sha256 = data.files.manifest_sha256;
  data.bytes = data.files.train_bytes;
  return data;
}

// True if text holds a secret; `place` names it in the report.
bool note_secrets(RawData& data, const std::string& place, std::string_view text) {
  const auto found = find_secrets(text);
  for (const SecretFinding& finding : found) data.files.secrets.push_back({place, finding});
  data.files.files_with_secrets += !found.empty();
  return !found.empty();
}

RawData load_text(const Recipe& recipe, const fs::path& path) {
  if (fs::is_directory(path)) {
    CodeFilter filter = code_filter(recipe);
    if (filter.extensions.empty()) filter.extensions = {".txt", ".md", ".rst"};
    filter.line_length_max = filter.line_length_mean_max = SIZE_MAX;   // prose has paragraphs as lines
    return load_code(path, filter, "text");
  }
  RawData data;
  data.format = "text";
  data.documents.push_back(read_file(path));
  note_secrets(data, "the file", data.documents[0]);
  if (!recipe.allow_secrets && !data.files.secrets.empty()) {
    const SecretFinding& first = data.files.secrets[0].finding;
    throw Error(Code::unprocessable, path.string() + ": line " + std::to_string(first.line) + " holds a secret (" + std::string(first.rule) +
                                         "); take it out, or set allow_secrets to learn it");
  }
  data.manifest_sha256 = sha256_hex(data.documents[0]);
  data.bytes = data.documents[0].size();
  return data;
}

// The text of every turn, a turn a line.
std::string chat_text(const json::array& messages) {
  std::string text;
  for (const json::value& message : messages) {
    if (message.is_object()) text += find_string(message.as_object(), "content").value_or("") + "\n";
  }
  return text;
}

// By the text: a chat stays on its side when others come or go, and its copies go with it.
bool is_held_out(const json::array& chat, double share) {
  const std::string digest = sha256_raw(json::serialize(chat));
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = (value << 8) | static_cast<unsigned char>(digest[i]);
  return value < share * 4294967296.0;
}

RawData load_chat_data(const Recipe& recipe, const fs::path& path) {
  RawData data;
  data.format = "chat";
  size_t number = 0;
  for (json::array& chat : load_chats(path)) {
    const bool found = note_secrets(data, "chat " + std::to_string(++number), chat_text(chat));
    if (found && !recipe.allow_secrets) {
      ++data.chats_left_out;
    } else {
      (is_held_out(chat, recipe.val_size) ? data.chats_held_out : data.chats).push_back(std::move(chat));
    }
  }
  if (data.chats.empty()) {
    throw Error(Code::unprocessable, path.string() + ": no chat is left to train on: " + std::to_string(data.chats_left_out) + " hold a secret (allow_secrets learns them), " +
                                         std::to_string(data.chats_held_out.size()) + " are held out");
  }
  data.manifest_sha256 = sha256_file_hex(path);
  data.bytes = fs::file_size(path);
  return data;
}

constexpr size_t kListMax = 200;   // of findings and groups in the report; counts are always whole

json::object secrets_json(const Recipe& recipe, const RawData& data) {
  json::array list;
  for (const FileSecret& secret : data.files.secrets) {
    if (list.size() < kListMax) list.push_back(json::object{{"path", secret.path}, {"line", secret.finding.line}, {"rule", secret.finding.rule}});
  }
  return {{"rules_version", kSecretRulesVersion}, {"findings", data.files.secrets.size()}, {"places", data.files.files_with_secrets},
          {"left_out", !recipe.allow_secrets}, {"list", list}};
}

json::object near_duplicates_json(const Recipe& recipe, const CodeFiles& files) {
  json::array list;
  uint64_t left_out = 0;
  for (const FileDuplicates& group : files.near_duplicates) {
    left_out += group.left_out.size();
    if (list.size() >= kListMax) continue;
    json::array names;
    for (const std::string& path : group.left_out) names.emplace_back(path);
    list.push_back(json::object{{"kept", group.kept}, {"left_out", names}});
  }
  return {{"rules_version", kNearDuplicateRulesVersion}, {"threshold", recipe.near_duplicate_threshold}, {"groups", files.near_duplicates.size()},
          {"files_left_out", left_out}, {"list", list}};
}

json::object licences_json(const CodeFiles& files) {
  std::map<std::string, uint64_t> counts;
  json::array others;
  for (const auto* part : {&files.train, &files.held_out}) {
    for (const CodeFile& file : *part) {
      ++counts[file.licence.empty() ? "none stated" : file.licence];
      if (file.licence != files.root_licence && !file.licence.empty() && others.size() < kListMax) others.push_back(json::object{{"path", file.path}, {"licence", file.licence}});
    }
  }
  json::object by_licence;
  for (const auto& [licence, count] : counts) by_licence[licence] = count;
  return {{"repository", files.root_licence.empty() ? json::value(nullptr) : json::value(files.root_licence)}, {"files", by_licence}, {"list", others}};
}

RawData load_preference_data(const Recipe& recipe, const fs::path& path) {
  RawData data;
  data.format = "preference";
  size_t number = 0;
  for (PreferencePair& pair : recipe.objective == "kto" ? load_labelled_answers(path) : load_preferences(path)) {
    json::array all = pair.prompt;
    all.push_back(pair.chosen);
    all.push_back(pair.rejected);
    const bool found = note_secrets(data, "pair " + std::to_string(++number), chat_text(all));
    if (found && !recipe.allow_secrets) {
      ++data.chats_left_out;
    } else {
      (is_held_out(pair.prompt, recipe.val_size) ? data.pairs_held_out : data.pairs).push_back(std::move(pair));   // a prompt's pairs together
    }
  }
  if (data.pairs.empty()) {
    throw Error(Code::unprocessable, path.string() + ": no pair is left to train on: " + std::to_string(data.chats_left_out) + " hold a secret (allow_secrets learns them), " +
                                         std::to_string(data.pairs_held_out.size()) + " are held out");
  }
  data.manifest_sha256 = sha256_file_hex(path);
  data.bytes = fs::file_size(path);
  return data;
}

json::object dropped_json(const CodeFiles& files) {
  json::object out;
  for (const auto& [reason, count] : files.dropped) out[reason] = count;
  return out;
}

}  // namespace

TextSide load_text_side(const fs::path& folder) {
  TextSide side;
  if (fs::is_regular_file(folder)) {
    throw Error(Code::unsupported, folder.string() + " is one file, as GGUF models are: their weights are quantised or renamed; train on the safetensors folder it was made from");
  }
  if (!fs::exists(folder / "tokenizer.json")) throw Error(Code::not_found, folder.string() + ": the model has no tokenizer.json, which training needs");
  side.tokenizer = text::load_tokenizer_json(read_file(folder / "tokenizer.json"));
  if (fs::exists(folder / "tokenizer_config.json")) {
    const json::value value = parse_json(read_file(folder / "tokenizer_config.json"), "tokenizer_config.json");
    const json::object& config = get_object(value, "tokenizer_config.json");
    for (const auto& item : config) {
      if (std::string_view(item.key()).ends_with("_token")) side.special_tokens[item.key()] = token_text(item.value());
    }
    if (const json::value* found = config.if_contains("chat_template"); found != nullptr && found->is_string()) side.chat_template = std::string(found->as_string());
  }
  if (fs::exists(folder / "chat_template.jinja")) side.chat_template = read_file(folder / "chat_template.jinja");
  side.bos_token = find_string(side.special_tokens, "bos_token").value_or("");
  side.eos_token = find_string(side.special_tokens, "eos_token").value_or("");
  return side;
}

CodeFilter code_filter(const Recipe& recipe) {
  CodeFilter filter;
  filter.extensions = recipe.extensions;
  filter.exclude = recipe.exclude;
  filter.file_bytes_max = recipe.file_bytes_max;
  filter.line_length_max = recipe.line_length_max;
  filter.allow_secrets = recipe.allow_secrets;
  filter.near_duplicate_threshold = recipe.near_duplicate_threshold;
  filter.holdout_fraction = recipe.val_size;
  filter.holdout = recipe.val_size <= 0 ? Holdout::none : recipe.holdout == "time" ? Holdout::by_time : Holdout::by_path;
  return filter;
}

RawData load_raw_data(const Recipe& recipe, const fs::path& path) {
  if (!fs::exists(path)) throw Error(Code::not_found, path.string() + ": no such dataset");
  if (recipe.val_size > 0 && recipe.holdout == "time" && path.extension() == ".jsonl") {
    throw Error(Code::invalid_argument, "chats and pairs have no time of change: hold them out with holdout: path");
  }
  if (recipe.objective != "sft") {
    if (fs::is_directory(path)) throw Error(Code::invalid_argument, path.string() + ": objective " + recipe.objective + " learns from a .jsonl file of preference pairs, not from a folder");
    return load_preference_data(recipe, path);
  }
  const std::string format = detect_format(recipe, path);
  if (format == "chat") return load_chat_data(recipe, path);
  if (format == "text") return load_text(recipe, path);
  return load_code(path, code_filter(recipe), "code");
}

RawData held_out_part(const RawData& data) {
  RawData out;
  out.format = data.format;
  for (const CodeFile& file : data.files.held_out) out.documents.push_back(file.text);
  out.chats = data.chats_held_out;
  out.pairs = data.pairs_held_out;
  if (out.documents.empty() && out.chats.empty() && out.pairs.empty()) {
    throw Error(Code::unprocessable, "val_size holds out nothing of this data, so there is nothing to evaluate on: raise val_size or give more of it");
  }
  return out;
}

std::shared_ptr<const SampleSource> make_source(const Recipe& recipe, const RawData& data, const TextSide& text, int32_t fallback_end_token, json::object& counts) {
  if (data.format == "chat") {
    if (text.chat_template.empty()) throw Error(Code::unprocessable, "the base model has no chat template, so chats cannot be written the way it will see them");
    ChatCounts chat;
    auto source = make_chat_source(data.chats, text::ChatTemplate(text.chat_template), *text.tokenizer, {text.bos_token, text.eos_token, text.special_tokens},
                                   {.sequence_length = recipe.seq_len, .train_on_inputs = recipe.train_on_inputs}, chat);
    counts = {{"chats", chat.chats}, {"cut_to_fit", chat.too_long}, {"dropped_without_labels", chat.dropped}};
    return source;
  }
  if (data.format == "preference") {
    PreferenceCounts pairs;
    const auto chat_template = text.chat_template.empty() ? nullptr : std::make_unique<text::ChatTemplate>(text.chat_template);
    auto source = make_preference_source(data.pairs, chat_template.get(), *text.tokenizer, {text.bos_token, text.eos_token, text.special_tokens},
                                         {.sequence_length = recipe.seq_len, .end_token = document_end_token(*text.tokenizer, fallback_end_token), .examples = recipe.objective == "kto", .learn_chosen = recipe.objective == "orpo"},
                                         pairs);
    if (recipe.objective == "kto") {
      counts = {{"examples", pairs.pairs}, {"desirable", pairs.desirable}, {"examples_too_long", pairs.too_long}, {"written_as", chat_template ? "chat" : "plain text"}};
      return source;
    }
    counts = {{"pairs", pairs.pairs}, {"pairs_too_long", pairs.too_long}, {"pairs_identical", pairs.identical}, {"written_as", chat_template ? "chat" : "plain text"}};
    return source;
  }
  CodeSampleOptions options;
  options.sequence_length = recipe.seq_len;
  options.fim_rate = data.format == "code" ? recipe.fim_rate : 0.0;
  options.fim_spm_rate = recipe.fim_spm_rate;
  options.fim_line_rate = recipe.fim_line_rate;
  options.fim_rules = recipe.fim_rules;
  options.seed = recipe.seed;
  options.fallback_end_token = fallback_end_token;
  return make_code_source(text.tokenizer, data.documents, options);
}

json::array marked_sample(const Sample& sample, const text::Tokenizer& tokenizer) {
  json::array spans;
  for (size_t at = 0; at < sample.ids.size();) {
    size_t end = at + 1;
    while (end < sample.ids.size() && sample.labelled[end] == sample.labelled[at] && end != sample.split) ++end;
    if (sample.split > 0 && at == sample.split) spans.push_back(json::object{{"text", sample.mismatched ? "\n--- for the KL term, with the answer of another example:\n" : "\n--- rejected:\n"}, {"learned", false}});
    const std::span<const int32_t> ids = std::span(sample.ids).subspan(at, end - at);
    spans.push_back(json::object{{"text", tokenizer.decode(ids, false)}, {"learned", sample.labelled[at] != 0}});
    at = end;
  }
  return spans;
}

json::object data_report(const Recipe& recipe, const RawData& data, const SampleSource& source, const text::Tokenizer& tokenizer) {
  size_t samples = 0, tokens = 0, labels = 0;
  for (size_t i = 0; i < source.count(); ++i) {
    const Sample sample = source.make(i, 0);
    samples += !sample.ids.empty();
    tokens += sample.ids.size();
    labels += sample.labels();
  }
  json::object out = {{"format", data.format}, {"manifest_sha256", data.manifest_sha256}, {"bytes", data.bytes}};
  if (!data.files.train.empty()) {
    out["files_kept"] = data.files.train.size();
    out["files_held_out"] = data.files.held_out.size();
    out["bytes_held_out"] = data.files.held_out_bytes;
    out["files_dropped"] = dropped_json(data.files);
    out["near_duplicates"] = near_duplicates_json(recipe, data.files);
    out["licences"] = licences_json(data.files);
  }
  if (data.format == "preference") out["pairs_left_out"] = data.chats_left_out, out["pairs_held_out"] = data.pairs_held_out.size();
  if (data.format == "chat") out["chats_left_out"] = data.chats_left_out, out["chats_held_out"] = data.chats_held_out.size();
  out["secrets"] = secrets_json(recipe, data);
  out["samples"] = samples;
  out["tokens"] = tokens;
  out["labelled_tokens"] = labels;
  out["bytes_per_token"] = tokens > 0 && data.format != "chat" && data.format != "preference" ? static_cast<double>(data.bytes) / static_cast<double>(tokens) : 0.0;
  out["seq_len"] = recipe.seq_len;
  out["sample"] = marked_sample(source.make(0, 0), tokenizer);
  return out;
}

}  // namespace lyceum::tuning
