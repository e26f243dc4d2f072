#include "api/ollama/show.h"

#include "api/openai/model_target.h"
#include "api/openai/tool_format.h"
#include "api/services.h"
#include "base/clock.h"

namespace lyceum::api {
namespace {

constexpr uint64_t kFileMax = 16u << 20;

// A small file of the model; empty if it has none.
std::string read_text(hub::Hub& hub, const PinnedRepo& model, const char* path) {
  const auto entry = hub.find_entry(model.repo, model.commit, path);
  return entry && !entry->is_folder && entry->sha256.empty() && entry->size <= kFileMax ? hub.read_small(model.repo, *entry) : std::string();
}

json::object read_object(hub::Hub& hub, const PinnedRepo& model, const char* path) {
  const std::string text = read_text(hub, model, path);
  if (text.empty()) return {};
  try {
    const json::value value = parse_json(text, path);
    return value.is_object() ? value.get_object() : json::object{};
  } catch (const Error&) {   // its author's fault, and nothing that the rest depends on
    return {};
  }
}

std::string find_template(hub::Hub& hub, const PinnedRepo& model) {
  if (std::string text = read_text(hub, model, "chat_template.jinja"); !text.empty()) return text;
  return find_string(read_object(hub, model, "tokenizer_config.json"), "chat_template").value_or("");
}

json::array find_capabilities(hub::Hub& hub, const PinnedRepo& model, const std::string& chat_template) {
  json::array out{"completion"};
  if (!chat_template.empty()) {
    try {
      const text::ChatTemplate parsed(chat_template);
      if (find_tool_format(parsed) != nullptr) out.emplace_back("tools");
      if (parsed.mentions("</think>")) out.emplace_back("thinking");
    } catch (const Error&) {   // a template that cannot be read offers nothing
    }
  }
  const std::string tokenizer = read_text(hub, model, "tokenizer.json");   // if it is small enough to be in git
  for (const char* middle : {"<|fim_middle|>", "<fim_middle>", "<\u2581MID>", "<\uff5cfim\u2581end\uff5c>"}) {
    if (tokenizer.find(middle) == std::string::npos) continue;
    out.emplace_back("insert");
    break;
  }
  out.emplace_back("embedding");
  return out;
}

}  // namespace

json::object ollama_details(const ListedModel& model) {
  const bool gguf = model.repo.library_name == "gguf";
  return {{"parent_model", model.parent}, {"format", gguf ? "gguf" : "safetensors"}, {"family", ""}, {"families", json::array{}}, {"parameter_size", ""}, {"quantization_level", ""}};
}

uint64_t weights_size(hub::Hub& hub, const hub::Repo& repo) {
  uint64_t bytes = 0;
  if (repo.head.empty()) return bytes;
  for (const hub::FileEntry& entry : hub.tree(repo, repo.head, "", false, false)) {
    if (entry.path.ends_with(".safetensors") || entry.path.ends_with(".gguf")) bytes += entry.size;
  }
  return bytes;
}

json::object show_ollama_model(Context& context, const std::string& name) {
  hub::Hub& hub = context.services.hub;
  const ModelTarget target = find_target(context, name);
  const hub::Repo& repo = target.adapter ? target.adapter->repo : target.base.repo;
  const json::object config = read_object(hub, target.base, "config.json");
  const std::string family = find_string(config, "model_type").value_or("");
  const std::string chat_template = find_template(hub, target.base);
  json::object details = ollama_details({name, repo, target.adapter ? target.base.repo.repo_id.full_name() : "", target.deployed});
  details["format"] = target.base.files.transformer ? "safetensors" : "gguf";
  details["family"] = family;
  details["families"] = family.empty() ? json::array{} : json::array{json::string(family)};
  json::object info;
  if (!family.empty()) info["general.architecture"] = family;
  for (const auto& [theirs, ours] : {std::pair("context_length", "max_position_embeddings"), std::pair("embedding_length", "hidden_size"), std::pair("block_count", "num_hidden_layers")}) {
    if (const json::value* value = config.if_contains(ours); value != nullptr && value->is_number()) info[family + "." + theirs] = *value;
  }
  return {{"modelfile", ""},
          {"parameters", ""},
          {"template", chat_template},
          {"license", find_string(repo.card, "license").value_or("")},
          {"details", std::move(details)},
          {"model_info", std::move(info)},
          {"capabilities", find_capabilities(hub, target.base, chat_template)},
          {"modified_at", iso8601(repo.modified_ms)}};
}

}  // namespace lyceum::api
