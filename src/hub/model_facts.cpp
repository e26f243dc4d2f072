#include "hub/model_facts.h"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/files.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "hub/card.h"
#include "hub/search/words.h"

namespace lyceum::hub {
namespace {

constexpr uint64_t kHeaderLimit = 64u << 20;
constexpr uint64_t kGgufHeaderLimit = 16u << 20;
constexpr size_t kSmallFileLimit = 4u << 20;

const FileEntry* find_file(const std::vector<FileEntry>& files, std::string_view path) {
  const auto it = std::find_if(files.begin(), files.end(), [&](const FileEntry& one) { return one.path == path && !one.is_folder; });
  return it == files.end() ? nullptr : &*it;
}

// [offset, offset + length) of a file of the repository, shorter at its end.
std::string read_part(Hub& hub, const Repo& repo, const FileEntry& entry, uint64_t offset, uint64_t length) {
  if (entry.sha256.empty()) {
    const std::string all = hub.read_small(repo, entry);
    return offset < all.size() ? all.substr(offset, length) : std::string();
  }
  const UniqueFd fd = open_file(hub.blob_path(entry.sha256), O_RDONLY);
  std::string out(std::min(length, entry.size > offset ? entry.size - offset : 0), '\0');
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(fd.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  out.resize(done);
  return out;
}

std::optional<json::object> find_json(Hub& hub, const Repo& repo, const std::vector<FileEntry>& files, std::string_view path) {
  const FileEntry* entry = find_file(files, path);
  if (!entry || entry->size > kSmallFileLimit) return std::nullopt;
  try {
    json::value value = parse_json(read_part(hub, repo, *entry, 0, kSmallFileLimit), path, kSmallFileLimit);
    if (value.is_object()) return std::move(value.as_object());
  } catch (const Error&) {
  }
  return std::nullopt;
}

void copy_keys(const json::object& from, json::object& to, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (const auto* value = from.if_contains(key); value && !value->is_null()) to[key] = *value;
}

// What "general.base_model.N.…" says of one base model.
struct GgufBase {
  std::string url, organization, title;
  // The last two parts of the address, else "organization/name" as it would be spelt in one.
  std::string name() const {
    if (const size_t last = url.rfind('/'); last != std::string::npos && last > 0) {
      const size_t before = url.rfind('/', last - 1);
      if (before != std::string::npos && before + 1 < last && last + 1 < url.size()) return url.substr(before + 1);
    }
    std::string out = organization.empty() || title.empty() ? "" : organization + "/" + title;
    std::replace(out.begin(), out.end(), ' ', '-');
    return out;
  }
};

json::array gguf_bases(const formats::GgufHeader& header) {
  constexpr std::string_view prefix = "general.base_model.";
  constexpr size_t kBasesMax = 32, kTextMax = 300;
  std::map<std::string, GgufBase, std::less<>> bases;
  for (auto at = header.metadata.lower_bound(prefix); at != header.metadata.end() && at->first.starts_with(prefix); ++at) {
    const auto* text = std::get_if<std::string>(&at->second.value);
    const std::string_view key = std::string_view(at->first).substr(prefix.size());
    const size_t dot = key.find('.');
    if (text == nullptr || dot == std::string_view::npos || bases.size() > kBasesMax) continue;
    GgufBase& base = bases[std::string(key.substr(0, dot))];
    const std::string_view what = key.substr(dot + 1);
    if (what == "repo_url") base.url = text->substr(0, kTextMax);
    if (what == "organization") base.organization = text->substr(0, kTextMax);
    if (what == "name") base.title = text->substr(0, kTextMax);
  }
  json::array out;
  for (const auto& [number, base] : bases) {
    if (const std::string name = base.name(); !name.empty()) out.emplace_back(name);
  }
  return out;
}

std::optional<formats::SafetensorsHeader> find_header(Hub& hub, const Repo& repo, const FileEntry& entry) {
  try {
    const std::string prefix = read_part(hub, repo, entry, 0, 8);
    const uint64_t length = formats::safetensors_header_bytes(as_bytes(prefix), entry.path);
    if (length > kHeaderLimit) return std::nullopt;
    return formats::parse_safetensors_header(as_bytes(read_part(hub, repo, entry, 0, length)), entry.size, entry.path);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

json::object safetensors_json(const formats::SafetensorsHeader& header) {
  json::object out;
  if (!header.metadata.empty()) out["__metadata__"] = json::value_from(header.metadata);
  for (const formats::SafetensorsTensor& tensor : header.tensors) {
    out[tensor.name] = json::object{{"dtype", tensor.dtype}, {"shape", json::value_from(tensor.shape)}, {"data_offsets", {tensor.begin, tensor.end}}};
  }
  return out;
}

std::optional<json::object> find_safetensors_header(Hub& hub, const Repo& repo, const FileEntry& entry) {
  const auto header = find_header(hub, repo, entry);
  return header ? std::optional(safetensors_json(*header)) : std::nullopt;
}

std::optional<json::object> find_parameter_counts(Hub& hub, const Repo& repo, const std::vector<FileEntry>& files) {
  std::map<std::string, uint64_t> parameters;
  for (const FileEntry& entry : files) {
    if (entry.is_folder || !entry.path.ends_with(".safetensors") || entry.path.find('/') != std::string::npos) continue;
    const auto header = find_header(hub, repo, entry);
    if (!header) continue;
    for (const auto& [dtype, count] : header->parameters_by_dtype()) parameters[dtype] += count;
  }
  if (parameters.empty()) return std::nullopt;
  json::object by_type;
  uint64_t total = 0;
  for (const auto& [dtype, count] : parameters) {
    by_type[dtype] = count;
    total += count;
  }
  return json::object{{"parameters", std::move(by_type)}, {"total", total}};
}

std::optional<json::object> find_config(Hub& hub, const Repo& repo, const std::vector<FileEntry>& files) {
  json::object out;
  if (const auto config = find_json(hub, repo, files, "config.json"))
    copy_keys(*config, out, {"architectures", "model_type", "auto_map", "quantization_config", "diffusers", "sklearn"});
  if (const auto adapter = find_json(hub, repo, files, "adapter_config.json")) {
    json::object peft;
    copy_keys(*adapter, peft, {"base_model_name_or_path", "peft_type", "task_type"});
    out["peft"] = std::move(peft);
  }
  json::object tokenizer;
  if (const auto config = find_json(hub, repo, files, "tokenizer_config.json"))
    copy_keys(*config, tokenizer, {"bos_token", "chat_template", "eos_token", "mask_token", "pad_token", "unk_token", "use_default_system_prompt"});
  if (const FileEntry* entry = find_file(files, "chat_template.jinja"); entry && entry->size <= kSmallFileLimit)
    out["chat_template_jinja"] = read_part(hub, repo, *entry, 0, kSmallFileLimit);
  if (!tokenizer.empty()) out["tokenizer_config"] = std::move(tokenizer);
  if (out.empty()) return std::nullopt;
  return out;
}

json::object gguf_facts(Bytes head, uint64_t file_bytes, std::string_view file_name) {
  const formats::GgufHeader header = formats::parse_gguf_header(head, file_bytes, file_name, formats::GgufArrays::skipped);
  const std::string architecture = header.find_string("general.architecture").value_or("");
  uint64_t total = 0;
  for (const formats::GgufTensor& tensor : header.tensors) total += tensor.elements();
  json::object out{{"total", total}, {"architecture", architecture}, {"context_length", header.find_int(architecture + ".context_length").value_or(0)}};
  if (json::array bases = gguf_bases(header); !bases.empty()) out["base_models"] = std::move(bases);
  return out;
}

std::optional<json::object> find_gguf(Hub& hub, const Repo& repo, const std::vector<FileEntry>& files) {
  const auto it = std::find_if(files.begin(), files.end(), [](const FileEntry& one) { return one.path.ends_with(".gguf"); });
  if (it == files.end()) return std::nullopt;
  try {
    const std::string head = read_part(hub, repo, *it, 0, kGgufHeaderLimit);
    return gguf_facts(as_bytes(head), it->size, it->path);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<json::object> find_transformers_info(const Repo& repo, const json::object& config) {
  const auto* list = config.if_contains("architectures");
  if (!list || !list->is_array() || list->as_array().empty() || !list->as_array()[0].is_string()) return std::nullopt;
  const std::string_view architecture = list->as_array()[0].as_string();
  static constexpr std::pair<std::string_view, std::string_view> heads[] = {
      {"ForCausalLM", "AutoModelForCausalLM"}, {"LMHeadModel", "AutoModelForCausalLM"}, {"ForMaskedLM", "AutoModelForMaskedLM"},
      {"ForSequenceClassification", "AutoModelForSequenceClassification"}, {"ForTokenClassification", "AutoModelForTokenClassification"},
      {"ForQuestionAnswering", "AutoModelForQuestionAnswering"}, {"ForConditionalGeneration", "AutoModelForSeq2SeqLM"}};
  std::string_view loader = "AutoModel";
  for (const auto& [suffix, name] : heads)
    if (architecture.ends_with(suffix)) loader = name;
  json::object out{{"auto_model", loader}, {"processor", "AutoTokenizer"}};
  if (!repo.pipeline_tag.empty()) out["pipeline_tag"] = repo.pipeline_tag;
  return out;
}

namespace {

constexpr size_t kSiblingsMax = 2000;   // longer lists are read from git when somebody asks

bool is_full_name(std::string_view text) {
  const size_t slash = text.find('/');
  return slash != std::string_view::npos && slash > 0 && slash + 1 < text.size() && text.find('/', slash + 1) == std::string_view::npos && text.size() <= 200 &&
         text.find_first_of(" \t\r\n\"\\:") == std::string_view::npos;
}

// Base models that the files name although the card names none.
std::vector<std::string> base_tags(Hub& hub, const Repo& repo, const std::vector<FileEntry>& files, const RepoFacts& facts) {
  std::vector<std::string> bases;
  std::string relation;
  const auto add = [&](std::string_view kind, std::string_view base) {
    if (!is_full_name(base) || bases.size() >= 16 || base == repo.repo_id.full_name()) return;
    relation = kind;
    bases.emplace_back(base);
  };
  if (const auto adapter = find_json(hub, repo, files, "adapter_config.json")) {
    const auto* base = adapter->if_contains("base_model_name_or_path");
    if (base && base->is_string()) add("adapter", base->as_string());
  } else if (const auto* gguf = facts.details.if_contains("gguf"); gguf && gguf->as_object().contains("base_models")) {
    for (const json::value& base : gguf->as_object().at("base_models").as_array()) add("quantized", base.as_string());
  } else if (const auto merge = find_file(files, "mergekit_config.yml"); merge && merge->size <= kSmallFileLimit) {
    // The same YAML reader as a card's, which bounds depth and size.
    const json::object config = parse_card("---\n" + read_part(hub, repo, *merge, 0, kSmallFileLimit) + "\n---\n");
    if (const auto* models = config.if_contains("models"); models && models->is_array()) {
      for (const json::value& one : models->as_array()) {
        const auto* name = one.is_object() ? one.as_object().if_contains("model") : nullptr;
        if (name && name->is_string()) add("merge", name->as_string());
      }
    }
  }
  std::vector<std::string> tags;
  for (const std::string& base : bases) {
    tags.push_back("base_model:" + base);
    tags.push_back("base_model:" + relation + ":" + base);
  }
  return tags;
}

bool names_base(const Repo& repo) {
  return std::any_of(repo.tags.begin(), repo.tags.end(), [](const std::string& tag) { return tag.starts_with("base_model:"); });
}

void add_files(const std::vector<FileEntry>& files, RepoFacts& facts) {
  json::array siblings;
  bool config = false, safetensors = false, gguf = false;
  for (const FileEntry& entry : files) {
    if (entry.is_folder) continue;
    if (siblings.size() <= kSiblingsMax) siblings.emplace_back(entry.path);
    facts.bytes += entry.size;
    if (entry.path.find('/') != std::string::npos) continue;
    config = config || entry.path == "config.json";
    facts.adapter = facts.adapter || entry.path == "adapter_config.json";
    safetensors = safetensors || entry.path.ends_with(".safetensors");
    gguf = gguf || entry.path.ends_with(".gguf");
  }
  facts.runnable = (config && safetensors) || gguf || facts.adapter;
  facts.details["usedStorage"] = facts.bytes;
  if (siblings.size() <= kSiblingsMax) facts.details["siblings"] = std::move(siblings);
}

// What its author calls it comes before what the card's text says.
std::string words_of(const Repo& repo, std::string_view readme) {
  std::string named;
  for (const char* key : {"title", "pretty_name", "short_description"})
    if (const auto text = find_string(repo.card, key)) named += *text + " ";
  named = search::card_words(named);
  return named + (named.empty() ? "" : " ") + search::card_words(readme);
}

}  // namespace

RepoFacts derive_facts(Hub& hub, const Repo& repo) {
  RepoFacts facts;
  facts.head = repo.head;
  const std::vector<FileEntry> files = hub.tree(repo, repo.head, "", true, false);
  add_files(files, facts);
  if (const FileEntry* readme = find_file(files, "README.md"); readme && readme->size <= kSmallFileLimit) facts.words = words_of(repo, hub.read_small(repo, *readme));
  if (repo.repo_id.type != RepoType::model) {
    facts.runnable = facts.adapter = false;
    return facts;
  }
  const auto keep = [&](const char* key, std::optional<json::object> value) {
    if (value) facts.details[key] = std::move(*value);
  };
  keep("safetensors", find_parameter_counts(hub, repo, files));
  keep("gguf", find_gguf(hub, repo, files));
  keep("config", find_config(hub, repo, files));
  for (const char* key : {"safetensors", "gguf"}) {
    const auto* counts = facts.details.if_contains(key);
    if (counts && facts.parameters == 0) facts.parameters = counts->as_object().at("total").to_number<uint64_t>();
  }
  facts.parameters = std::min<uint64_t>(facts.parameters, INT64_MAX);
  if (!names_base(repo)) facts.base_tags = base_tags(hub, repo, files, facts);
  return facts;
}

}  // namespace lyceum::hub
