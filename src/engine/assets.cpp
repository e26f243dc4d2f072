#include "engine/assets.h"

#include <algorithm>
#include <array>

#include "base/files.h"
#include "engine/gguf_tokenizer.h"
#include "formats/gguf.h"

namespace lyceum::engine {

namespace {

constexpr uint64_t kSmallFileMax = 16u << 20;
constexpr uint64_t kTokenizerMax = 256u << 20;

std::optional<json::object> find_json(const fs::path& path) {
  if (!fs::exists(path)) return std::nullopt;
  const json::value value = parse_json(read_file(path, kSmallFileMax), path.string(), kSmallFileMax);
  return get_object(value, path.string());
}

// A special token is written as text or as {"content": text, …}.
std::optional<std::string> find_token_text(const json::value& value) {
  if (value.is_string()) return std::string(value.as_string());
  if (value.is_object()) return find_string(value.as_object(), "content");
  return std::nullopt;
}

void read_special_tokens(const json::object& from, json::object& out) {
  for (const auto& [key, value] : from) {
    if (!key.ends_with("_token") || key.starts_with("add_")) continue;
    if (const auto text = find_token_text(value)) out[key] = *text;
  }
}

void add_eos(std::vector<int32_t>& ids, int64_t id, const models::DecoderConfig& config) {
  if (id < 0 || id >= config.vocab) throw Error(Code::unprocessable, "eos_token_id " + std::to_string(id) + " is outside the vocabulary");
  if (std::ranges::find(ids, id) == ids.end()) ids.push_back(static_cast<int32_t>(id));
}

void add_eos(std::vector<int32_t>& ids, const json::value& value, const models::DecoderConfig& config) {
  if (value.is_array()) {
    for (const json::value& each : value.as_array()) add_eos(ids, each, config);
  } else if (value.is_int64()) {
    add_eos(ids, value.as_int64(), config);
  }
}

FimOrder parse_fim_order(const std::string& name, const std::string& what) {
  const auto order = find_fim_order(name);
  if (!order) throw Error(Code::unprocessable, what + " must be prefix_first or suffix_first, not '" + name + "'");
  return *order;
}

FimOrder read_fim_order(const json::object& config) {
  const auto name = find_string(config, "fim_order");
  return name ? parse_fim_order(*name, "config.json: fim_order") : FimOrder::prefix_first;
}

// chat_template: one text, or a list of named ones, of which "default" is meant (the only one, if there is one).
std::optional<std::string> find_template_text(const json::value& value) {
  if (value.is_string()) return std::string(value.as_string());
  if (!value.is_array()) return std::nullopt;
  std::optional<std::string> only;
  for (const json::value& entry : value.as_array()) {
    const json::object& named = get_object(entry, "chat_template entry");
    if (get_string(named, "name") == "default") return get_string(named, "template");
    if (value.as_array().size() == 1) only = get_string(named, "template");
  }
  return only;
}

// As transformers: chat_template.jinja wins, then chat_template.json, then tokenizer_config.json.
std::optional<std::string> find_chat_template(const fs::path& folder, const std::optional<json::object>& tokenizer_config) {
  if (fs::exists(folder / "chat_template.jinja")) return read_file(folder / "chat_template.jinja", kSmallFileMax);
  if (const auto file = find_json(folder / "chat_template.json"); file && file->contains("chat_template")) return find_template_text(file->at("chat_template"));
  if (tokenizer_config && tokenizer_config->contains("chat_template")) return find_template_text(tokenizer_config->at("chat_template"));
  return std::nullopt;
}

// What a GGUF model carries itself; files beside it win.
std::optional<GgufTokenizer> find_inside_gguf(const fs::path& path) {
  fs::path file = path;
  if (fs::is_directory(path)) {
    if (fs::exists(path / "config.json")) return std::nullopt;
    for (const auto& entry : fs::directory_iterator(path)) {
      if (entry.path().extension() == ".gguf") file = entry.path();
    }
  }
  if (file.extension() != ".gguf") return std::nullopt;
  return find_gguf_tokenizer(formats::GgufFile(file).header());
}

std::shared_ptr<const text::Tokenizer> load_tokenizer(const fs::path& folder, const std::optional<GgufTokenizer>& inside, const models::DecoderConfig& config) {
  if (const fs::path file = folder / "tokenizer.json"; fs::exists(file)) return text::load_tokenizer_json(read_file(file, kTokenizerMax));
  if (inside) return text::load_tokenizer_json(inside->tokenizer_json);
  // llama2.c's own names: tok512.bin beside a 512-token model, or tokenizer.bin.
  const std::array<fs::path, 2> candidates = {folder / ("tok" + std::to_string(config.vocab) + ".bin"), folder / "tokenizer.bin"};
  for (const fs::path& file : candidates) {
    if (fs::exists(file)) return text::load_llama2c_tokenizer(read_file(file, kTokenizerMax), config.vocab);
  }
  throw Error(Code::not_found, folder.string() + " has no tokenizer.json; save the tokenizer beside the model with save_pretrained()");
}

}  // namespace

Assets load_assets(const std::filesystem::path& path, const models::DecoderConfig& config) {
  const fs::path folder = fs::is_directory(path) ? path : path.parent_path();
  std::optional<GgufTokenizer> inside;
  if (!fs::exists(folder / "tokenizer.json")) inside = find_inside_gguf(path);
  Assets out;
  out.tokenizer = load_tokenizer(folder, inside, config);
  out.eos_ids = config.eos_ids;
  if (inside) {
    out.special_tokens = inside->special_tokens;
    if (inside->fim_order) out.fim_order = parse_fim_order(*inside->fim_order, "GGUF: lyceum.fim_order");
    for (const int64_t id : inside->eos_ids) add_eos(out.eos_ids, id, config);
  }
  if (const auto generation = find_json(folder / "generation_config.json"); generation && generation->contains("eos_token_id")) {
    add_eos(out.eos_ids, generation->at("eos_token_id"), config);
  }
  if (const auto model = find_json(folder / "config.json")) out.fim_order = read_fim_order(*model);
  if (const auto map = find_json(folder / "special_tokens_map.json")) read_special_tokens(*map, out.special_tokens);
  const auto tokenizer_config = find_json(folder / "tokenizer_config.json");
  if (tokenizer_config) read_special_tokens(*tokenizer_config, out.special_tokens);
  if (const auto eos = find_string(out.special_tokens, "eos_token")) {
    const auto id = out.tokenizer->find_id(*eos);
    if (id && static_cast<uint32_t>(*id) < config.vocab) add_eos(out.eos_ids, *id, config);
  }
  std::optional<std::string> chat_template = find_chat_template(folder, tokenizer_config);
  if (!chat_template && inside) chat_template = inside->chat_template;
  if (chat_template) out.chat_template = std::make_unique<text::ChatTemplate>(*chat_template);
  return out;
}

}  // namespace lyceum::engine
