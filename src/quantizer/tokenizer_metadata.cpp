#include "quantizer/tokenizer_metadata.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "base/files.h"
#include "engine/assets.h"
#include "engine/gguf_tokenizer.h"
#include "formats/gguf.h"
#include "text/tokenizer.h"

namespace lyceum::quantizer {
namespace {

constexpr uint64_t kTokenizerMax = 256u << 20;
constexpr uint64_t kEmbeddedMax = 16u << 20;   // the longest string that GGUF readers here take
enum TokenType : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

// Text with what tokenizers disagree about: digits, contractions, spaces, line ends, other scripts, symbols.
constexpr std::string_view kProbe =
    "Hello World, it's THE 12 345,678.90 test — we'LL see'd if I've done 3.14159e-10!\n\n\n  def f(x):\n\treturn x**2  # ok\r\n    if a_b!=c->d: {}[]\\//  \n"
    "日本語のテキスト、中文文本。Привет, мир! العربية ไทย हिन्दी 한국어 ñandú Ünïcödé ①²½ ½٣٤ é 🦄🚀👩‍👩‍👧 \u00a0\u200b nbsp \t\t tabs   many    spaces     end \n \n ''\"\"``<|x|><s>[INST]</s>";

std::map<int64_t, std::string> read_vocabulary(const json::object& model) {
  std::map<int64_t, std::string> out;
  for (const auto& [token, id] : get_object(model.at("vocab"), "vocab")) {
    if (id.is_int64()) out.emplace(id.as_int64(), token);
  }
  return out;
}

std::vector<std::string> read_merges(const json::object& model) {
  std::vector<std::string> out;
  const json::array* merges = find_array(model, "merges");
  for (size_t i = 0; merges != nullptr && i < merges->size(); ++i) {
    const json::value& merge = (*merges)[i];
    if (merge.is_string()) {
      out.emplace_back(merge.as_string());
    } else if (merge.is_array() && merge.as_array().size() == 2 && merge.as_array()[0].is_string() && merge.as_array()[1].is_string()) {
      out.push_back(std::string(merge.as_array()[0].as_string()) + " " + std::string(merge.as_array()[1].as_string()));
    }
  }
  return out;
}

// Every pattern, kind and switch of a pre_tokenizer, in order: what decides its name.
struct Splitting {
  std::vector<std::string> patterns;
  bool byte_level = false, byte_level_regex = false, digits = false, metaspace_prefix = false;
};
void read_splitting(const json::value& value, Splitting& out) {
  if (!value.is_object()) return;
  const json::object& step = value.as_object();
  const std::string type = find_string(step, "type").value_or("");
  if (const json::array* steps = find_array(step, "pretokenizers")) {
    for (const json::value& each : *steps) read_splitting(each, out);
  }
  if (type == "Split") {
    if (const json::object* pattern = find_object(step, "pattern")) out.patterns.push_back(find_string(*pattern, "Regex").value_or(""));
  }
  if (type == "Digits") out.digits = find_bool(step, "individual_digits").value_or(false);
  if (type == "ByteLevel") {
    out.byte_level = true;
    out.byte_level_regex = find_bool(step, "use_regex").value_or(true);
  }
  if (type == "Metaspace") out.metaspace_prefix = find_string(step, "prepend_scheme").value_or("always") != "never";
}

// llama.cpp's names of the pre-tokenizers that are recognised here. The engine reads some of them by the embedded tokenizer.json only.
std::string pre_name(const Splitting& splitting, bool ignore_merges) {
  if (splitting.patterns.empty() && splitting.byte_level_regex) return splitting.digits ? "starcoder" : "gpt-2";
  if (splitting.patterns.size() == 3 && splitting.patterns[0] == "\\p{N}{1,3}" && splitting.patterns[1] == "[一-龥぀-ゟ゠-ヿ]+") return "deepseek-v3";
  if (splitting.patterns.size() != 1 || splitting.byte_level_regex) return "default";
  const std::string& pattern = splitting.patterns.front();
  if (pattern.starts_with("[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*") && pattern.find("|\\p{N}|") != std::string::npos) return "tekken";
  const bool contractions = pattern.starts_with("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|");
  const bool tail = pattern.ends_with("| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+");
  if (!contractions || !tail) return "default";
  if (pattern.find("|\\p{N}{1,3}|") != std::string::npos) return ignore_merges ? "llama-bpe" : "default";
  return pattern.find("|\\p{N}|") != std::string::npos ? "qwen2" : "default";
}

class TokenizerWriter {
 public:
  TokenizerWriter(const json::object& file, const models::DecoderConfig& config, formats::GgufMetadata& metadata)
      : file_(file), model_(get_object(file.at("model"), "tokenizer.json: model")), config_(config), metadata_(metadata) {}

  std::string write() {
    if (find_string(model_, "type").value_or("BPE") != "BPE") {
      throw Error(Code::unsupported, "tokenizer.json: a " + find_string(model_, "type").value_or("") + " model has no GGUF form that the engine reads; only BPE has");
    }
    if (file_.contains("pre_tokenizer")) read_splitting(file_.at("pre_tokenizer"), splitting_);
    const bool pieces = find_bool(model_, "byte_fallback").value_or(false) && !splitting_.byte_level;
    metadata_.set_string("tokenizer.ggml.model", pieces ? "llama" : "gpt2");
    const std::string pre = pieces ? "" : pre_name(splitting_, find_bool(model_, "ignore_merges").value_or(false));
    metadata_.set_string("tokenizer.ggml.pre", pieces ? "default" : pre);
    tokens();
    const std::vector<std::string> merges = read_merges(model_);
    if (pieces) {
      scores(merges);
      metadata_.set_bool("tokenizer.ggml.add_space_prefix", splitting_.metaspace_prefix || json::serialize(file_.at("normalizer")).find("\"Prepend\"") != std::string::npos);
    } else {
      metadata_.set_strings("tokenizer.ggml.merges", merges);
    }
    return pre;
  }

 private:
  void tokens() {
    tokens_.resize(config_.vocab);
    types_.assign(config_.vocab, kUnused);
    for (size_t i = 0; i < tokens_.size(); ++i) tokens_[i] = "[PAD" + std::to_string(i) + "]";
    const auto put = [&](int64_t id, const std::string& text, TokenType type) {
      if (id < 0 || static_cast<uint64_t>(id) >= tokens_.size()) return;   // more tokens than the embedding has rows: never produced
      tokens_[static_cast<size_t>(id)] = text;
      types_[static_cast<size_t>(id)] = type;
    };
    const std::string unknown = find_string(model_, "unk_token").value_or("");
    for (const auto& [id, text] : read_vocabulary(model_)) {
      const bool byte = text.size() == 6 && text.starts_with("<0x") && text.ends_with(">");
      put(id, text, byte && !splitting_.byte_level ? kByte : kNormal);
    }
    if (const json::array* added = find_array(file_, "added_tokens")) {
      for (const json::value& each : *added) {
        const json::object& token = get_object(each, "added token");
        put(get_int(token, "id"), get_string(token, "content"), find_bool(token, "special").value_or(false) ? kControl : kUserDefined);
      }
    }
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (!unknown.empty() && tokens_[i] == unknown) {
        types_[i] = kUnknown;
        metadata_.set_u32("tokenizer.ggml.unknown_token_id", static_cast<uint32_t>(i));
      }
    }
    metadata_.set_strings("tokenizer.ggml.tokens", tokens_);
    metadata_.set_i32s("tokenizer.ggml.token_type", types_);
  }

  // SentencePiece merges what makes the piece of the best score: the earlier a piece's first merge, the better.
  void scores(const std::vector<std::string>& merges) {
    std::map<std::string, size_t> ranks;
    for (size_t i = 0; i < merges.size(); ++i) {
      std::string piece = merges[i];
      piece.erase(piece.find(' ', 1), 1);
      ranks.emplace(std::move(piece), i);
    }
    std::vector<float> out(tokens_.size());
    for (size_t i = 0; i < out.size(); ++i) {
      const auto rank = ranks.find(tokens_[i]);
      if (types_[i] == kNormal) out[i] = -static_cast<float>(rank == ranks.end() ? merges.size() + i : rank->second);
    }
    metadata_.set_f32s("tokenizer.ggml.scores", out);
  }

  const json::object& file_;
  const json::object& model_;
  const models::DecoderConfig& config_;
  formats::GgufMetadata& metadata_;
  Splitting splitting_;
  std::vector<std::string> tokens_;
  std::vector<int32_t> types_;
};

void set_special_ids(const engine::Assets& assets, const models::DecoderConfig& config, formats::GgufMetadata& metadata) {
  const auto inside = [&](std::optional<int32_t> id) { return id && *id >= 0 && static_cast<uint32_t>(*id) < config.vocab; };
  const auto set = [&](std::string_view key, std::optional<int32_t> id) {
    if (inside(id)) metadata.set_u32(key, static_cast<uint32_t>(*id));
  };
  constexpr std::pair<const char*, const char*> kKeys[] = {{"bos_token", "bos"}, {"eos_token", "eos"}, {"pad_token", "padding"}, {"sep_token", "seperator"}, {"mask_token", "mask"}};
  for (const auto& [token, key] : kKeys) {
    if (const auto text = find_string(assets.special_tokens, token)) set("tokenizer.ggml." + std::string(key) + "_token_id", assets.tokenizer->find_id(*text));
  }
  if (config.bos_id >= 0 && !metadata.has("tokenizer.ggml.bos_token_id")) set("tokenizer.ggml.bos_token_id", config.bos_id);
  if (!assets.eos_ids.empty() && !metadata.has("tokenizer.ggml.eos_token_id")) set("tokenizer.ggml.eos_token_id", assets.eos_ids.front());
  for (const std::string_view turn : {"<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "<|end_of_turn|>", "<|eot|>"}) {
    if (const auto id = assets.tokenizer->find_id(turn); inside(id) && !metadata.has("tokenizer.ggml.eot_token_id")) set("tokenizer.ggml.eot_token_id", id);
  }
  if (const auto fim = engine::find_fim_tokens(*assets.tokenizer)) {
    set("tokenizer.ggml.fim_pre_token_id", fim->prefix);
    set("tokenizer.ggml.fim_suf_token_id", fim->suffix);
    set("tokenizer.ggml.fim_mid_token_id", fim->middle);
  }
  // What the tokenizer puts around a text.
  const std::vector<int32_t> plain = assets.tokenizer->encode("a", {false, true}), around = assets.tokenizer->encode("a");
  metadata.set_bool("tokenizer.ggml.add_bos_token", around.size() > plain.size() && around.front() != plain.front());
  metadata.set_bool("tokenizer.ggml.add_eos_token", around.size() > plain.size() && around.back() != plain.back());
}

void set_lyceum_facts(const engine::Assets& assets, const json::object& stored, formats::GgufMetadata& metadata) {
  if (stored.contains("fim_order")) metadata.set_string("lyceum.fim_order", engine::fim_order_name(assets.fim_order));
  if (!assets.eos_ids.empty()) metadata.set_i32s("lyceum.eos_token_ids", assets.eos_ids);
}

// Whether what a reader makes of the keys gives the same tokens.
bool reads_the_same(const formats::GgufMetadata& metadata, const text::Tokenizer& tokenizer) {
  const TempFolder folder;
  const fs::path path = folder.path() / "keys.gguf";
  formats::GgufWriter(path, metadata, {}).finish();
  try {
    const auto found = engine::find_gguf_tokenizer(formats::GgufFile(path).header());
    return found && text::load_tokenizer_json(found->tokenizer_json)->encode(kProbe) == tokenizer.encode(kProbe);
  } catch (const Error&) {
    return false;   // a pre-tokenizer without a name, for one
  }
}

json::object read_object(const fs::path& path, uint64_t limit) {
  if (!fs::exists(path)) return {};
  const json::value value = parse_json(read_file(path, limit), path.string(), limit);
  return get_object(value, path.string());
}

}  // namespace

TokenizerReport set_tokenizer(const fs::path& path, const models::DecoderConfig& config, formats::GgufMetadata& metadata) {
  const fs::path folder = fs::is_directory(path) ? path : path.parent_path();
  const fs::path file = folder / "tokenizer.json";
  if (!fs::exists(file)) {
    metadata.set_string("tokenizer.ggml.model", "no_vocab");
    if (config.bos_id >= 0) metadata.set_u32("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(config.bos_id));
    if (!config.eos_ids.empty()) metadata.set_u32("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(config.eos_ids.front()));
    return {};
  }
  const std::string text = read_file(file, kTokenizerMax);
  const json::value parsed = parse_json(text, file.string(), kTokenizerMax);
  TokenizerReport report{true, TokenizerWriter(get_object(parsed, file.string()), config, metadata).write(), false};
  const engine::Assets assets = engine::load_assets(path, config);
  set_special_ids(assets, config, metadata);
  set_lyceum_facts(assets, read_object(folder / "config.json", 4u << 20), metadata);
  if (assets.chat_template) metadata.set_string("tokenizer.chat_template", assets.chat_template->source());
  if (!reads_the_same(metadata, *assets.tokenizer)) {
    if (text.size() > kEmbeddedMax) throw Error(Code::unsupported, file.string() + " is beyond the 16 MiB that fit beside GGUF's own keys, which do not say all of it; keep it beside the GGUF file");
    metadata.set_string("tokenizer.huggingface.json", text);
    report.embedded = true;
  }
  return report;
}

}  // namespace lyceum::quantizer
