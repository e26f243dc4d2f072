#include "engine/gguf_tokenizer.h"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace lyceum::engine {

namespace {

// tokenizer.ggml.token_type.
constexpr int64_t kControl = 3, kUserDefined = 4;

constexpr const char* kLlama3Pattern =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr const char* kQwen2Pattern =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

// What tokenizer.ggml.pre stands for.
struct PreTokenizer {
  std::string_view name;
  const char* pattern;        // null: GPT-2's own
  bool single_digits;
  bool nfc;
  bool ignore_merges;
  bool bos_by_default;
};
constexpr std::array kPreTokenizers = {
    PreTokenizer{"llama-bpe", kLlama3Pattern, false, false, true, true}, PreTokenizer{"llama3", kLlama3Pattern, false, false, true, true},
    PreTokenizer{"llama-v3", kLlama3Pattern, false, false, true, true},  PreTokenizer{"qwen2", kQwen2Pattern, false, true, false, false},
    PreTokenizer{"gpt-2", nullptr, false, false, false, false},          PreTokenizer{"starcoder", nullptr, true, false, false, false},
    PreTokenizer{"smollm", nullptr, true, false, false, false},
};

template <typename T>
std::vector<T> read_array(const formats::GgufHeader& header, std::string_view key) {
  std::vector<T> out;
  const formats::GgufArray* array = header.find_array(key);
  if (array == nullptr) return out;
  for (const formats::GgufValue& entry : *array) {
    const T* value = std::get_if<T>(&entry.value);
    if (value == nullptr) throw Error(Code::unprocessable, "GGUF: " + std::string(key) + " has an entry of another type");
    out.push_back(*value);
  }
  return out;
}

std::vector<int64_t> read_numbers(const formats::GgufHeader& header, std::string_view key) {
  std::vector<int64_t> out;
  const formats::GgufArray* array = header.find_array(key);
  if (array == nullptr) return out;
  for (const formats::GgufValue& entry : *array) {
    const auto* number = std::get_if<int64_t>(&entry.value);
    const auto* natural = std::get_if<uint64_t>(&entry.value);
    out.push_back(number != nullptr ? *number : natural != nullptr ? static_cast<int64_t>(*natural) : 0);
  }
  return out;
}

json::object make_vocab(const std::vector<std::string>& tokens) {
  json::object vocab;
  vocab.reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) vocab.emplace(tokens[i], static_cast<int64_t>(i));
  return vocab;
}

json::array make_added_tokens(const std::vector<std::string>& tokens, const std::vector<int64_t>& types) {
  json::array added;
  for (size_t i = 0; i < std::min(tokens.size(), types.size()); ++i) {
    if (types[i] != kControl && types[i] != kUserDefined) continue;
    added.push_back({{"id", static_cast<int64_t>(i)}, {"content", tokens[i]}, {"single_word", false}, {"lstrip", false},
                     {"rstrip", false}, {"normalized", false}, {"special", types[i] == kControl}});
  }
  return added;
}

// "a b" -> ["a", "b"].
json::array make_listed_merges(const formats::GgufHeader& header) {
  json::array merges;
  for (const std::string& merge : read_array<std::string>(header, "tokenizer.ggml.merges")) {
    const size_t space = merge.find(' ', 1);
    if (space == std::string::npos) throw Error(Code::unprocessable, "GGUF: tokenizer.ggml.merges has the entry \"" + merge + "\" without two parts");
    merges.push_back(json::array{merge.substr(0, space), merge.substr(space + 1)});
  }
  return merges;
}

// SentencePiece merges whichever neighbours make the piece of the highest score: every way to split a piece into two pieces is a
// merge, better scores first, equal ones in the order of the two parts' ids.
json::array make_scored_merges(const std::vector<std::string>& tokens, const std::vector<double>& scores) {
  struct Merge {
    double score;
    size_t left, right;
  };
  std::unordered_map<std::string_view, size_t> ids;
  for (size_t i = 0; i < tokens.size(); ++i) ids.emplace(tokens[i], i);
  std::vector<Merge> merges;
  for (size_t i = 0; i < std::min(tokens.size(), scores.size()); ++i) {
    const std::string_view token = tokens[i];
    for (size_t cut = 1; cut < token.size(); ++cut) {
      const auto left = ids.find(token.substr(0, cut)), right = ids.find(token.substr(cut));
      if (left != ids.end() && right != ids.end()) merges.push_back({scores[i], left->second, right->second});
    }
  }
  std::ranges::stable_sort(merges, [](const Merge& a, const Merge& b) {
    return a.score != b.score ? a.score > b.score : std::pair(a.left, a.right) < std::pair(b.left, b.right);
  });
  json::array out;
  for (const Merge& merge : merges) out.push_back(json::array{tokens[merge.left], tokens[merge.right]});
  return out;
}

json::value make_bos_processor(const std::string& bos, int64_t id) {
  const json::array single = {json::object{{"SpecialToken", {{"id", bos}, {"type_id", 0}}}}, json::object{{"Sequence", {{"id", "A"}, {"type_id", 0}}}}};
  json::array pair = single;
  pair.push_back(json::object{{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair},
          {"special_tokens", {{bos, {{"id", bos}, {"ids", json::array{id}}, {"tokens", json::array{bos}}}}}}};
}

json::object bpe_model(json::object vocab, json::array merges, json::value unknown, bool byte_fallback, bool ignore_merges) {
  return {{"type", "BPE"}, {"dropout", nullptr}, {"unk_token", std::move(unknown)}, {"continuing_subword_prefix", nullptr}, {"end_of_word_suffix", nullptr},
          {"fuse_unk", byte_fallback}, {"byte_fallback", byte_fallback}, {"ignore_merges", ignore_merges}, {"vocab", std::move(vocab)}, {"merges", std::move(merges)}};
}

// Fills model, normalizer, pre_tokenizer, decoder; returns whether BOS is added when the file does not say.
bool fill_byte_level(const formats::GgufHeader& header, const std::vector<std::string>& tokens, json::object& out) {
  const std::string name = header.find_string("tokenizer.ggml.pre").value_or("default");
  const auto* found = std::ranges::find(kPreTokenizers, name, &PreTokenizer::name);
  if (found == kPreTokenizers.end()) {
    throw Error(Code::unsupported, "GGUF: tokenizer.ggml.pre " + name + " is not supported; put the model's tokenizer.json beside the file");
  }
  json::array steps;
  if (found->single_digits) steps.push_back({{"type", "Digits"}, {"individual_digits", true}});
  if (found->pattern != nullptr) {
    steps.push_back({{"type", "Split"}, {"pattern", {{"Regex", found->pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
  }
  steps.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", found->pattern == nullptr}});
  out["model"] = bpe_model(make_vocab(tokens), make_listed_merges(header), nullptr, false, found->ignore_merges);
  out["normalizer"] = found->nfc ? json::value{{"type", "NFC"}} : json::value(nullptr);
  out["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", steps}};
  out["decoder"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  return found->bos_by_default;
}

bool fill_sentence_piece(const formats::GgufHeader& header, const std::vector<std::string>& tokens, json::object& out) {
  const auto unknown_id = static_cast<size_t>(header.find_int("tokenizer.ggml.unknown_token_id").value_or(0));
  if (unknown_id >= tokens.size()) throw Error(Code::unprocessable, "GGUF: tokenizer.ggml.unknown_token_id is outside the vocabulary");
  const bool space_prefix = header.find_bool("tokenizer.ggml.add_space_prefix").value_or(true);
  json::array normalizers, decoders = {json::object{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}}, json::object{{"type", "ByteFallback"}}, json::object{{"type", "Fuse"}}};
  if (space_prefix) {
    normalizers.push_back({{"type", "Prepend"}, {"prepend", "▁"}});
    decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  normalizers.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}});
  json::array merges = make_scored_merges(tokens, read_array<double>(header, "tokenizer.ggml.scores"));
  out["model"] = bpe_model(make_vocab(tokens), std::move(merges), json::value(json::string(tokens[unknown_id])), true, false);
  out["normalizer"] = {{"type", "Sequence"}, {"normalizers", normalizers}};
  out["pre_tokenizer"] = nullptr;
  out["decoder"] = {{"type", "Sequence"}, {"decoders", decoders}};
  return true;
}

std::string make_tokenizer_json(const formats::GgufHeader& header, const std::string& kind, const std::vector<std::string>& tokens, std::optional<int64_t> bos) {
  if (auto whole = header.find_string("tokenizer.huggingface.json")) return *std::move(whole);
  json::object tokenizer = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  tokenizer["added_tokens"] = make_added_tokens(tokens, read_numbers(header, "tokenizer.ggml.token_type"));
  if (kind != "gpt2" && kind != "llama") {
    throw Error(Code::unsupported, "GGUF: tokenizer.ggml.model " + kind + " is not supported; put the model's tokenizer.json beside the file");
  }
  const bool bos_by_default = kind == "gpt2" ? fill_byte_level(header, tokens, tokenizer) : fill_sentence_piece(header, tokens, tokenizer);
  const bool add_bos = bos && header.find_bool("tokenizer.ggml.add_bos_token").value_or(bos_by_default);
  tokenizer["post_processor"] = add_bos ? make_bos_processor(tokens[static_cast<size_t>(*bos)], *bos) : json::value(nullptr);
  return json::serialize(tokenizer);
}

}  // namespace

std::optional<GgufTokenizer> find_gguf_tokenizer(const formats::GgufHeader& header) {
  const auto kind = header.find_string("tokenizer.ggml.model");
  const std::vector<std::string> tokens = read_array<std::string>(header, "tokenizer.ggml.tokens");
  if (!kind || tokens.empty()) return std::nullopt;
  GgufTokenizer out;
  const auto read_special = [&](const char* key, const char* name) -> std::optional<int64_t> {
    const auto id = header.find_int(key);
    if (!id || *id < 0 || static_cast<size_t>(*id) >= tokens.size()) return std::nullopt;
    out.special_tokens[name] = tokens[static_cast<size_t>(*id)];
    return id;
  };
  const auto bos = read_special("tokenizer.ggml.bos_token_id", "bos_token");
  read_special("tokenizer.ggml.eos_token_id", "eos_token");
  out.tokenizer_json = make_tokenizer_json(header, *kind, tokens, bos);
  out.chat_template = header.find_string("tokenizer.chat_template");
  out.fim_order = header.find_string("lyceum.fim_order");
  out.eos_ids = read_numbers(header, "lyceum.eos_token_ids");
  return out;
}

}  // namespace lyceum::engine
