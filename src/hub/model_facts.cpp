#include "hub/model_facts.h"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/files.h"
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

void count_tensors(const json::object& header, std::map<std::string, uint64_t>& parameters) {
  for (const auto& [name, value] : header) {
    if (name == "__metadata__" || !value.is_object()) continue;
    const auto dtype = find_string(value.as_object(), "dtype");
    const json::array* shape = find_array(value.as_object(), "shape");
    if (!dtype || !shape) continue;
    uint64_t count = 1;
    for (const json::value& one : *shape) count *= one.is_int64() && one.as_int64() >= 0 ? static_cast<uint64_t>(one.as_int64()) : 0;
    parameters[*dtype] += count;
  }
}

void copy_keys(const json::object& from, json::object& to, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (const auto* value = from.if_contains(key); value && !value->is_null()) to[key] = *value;
}

// Walks GGUF's key-value pairs as far as they fit in the bytes read. Layout: gguf.md of ggml ("GGUF" magic, version, counts, pairs).
class GgufWalker {
 public:
  explicit GgufWalker(Bytes bytes) : reader_(bytes, "GGUF header") {}

  json::object run() {
    if (reader_.read<uint32_t>() != 0x46554747) throw Error(Code::unprocessable, "not a GGUF file");
    if (reader_.read<uint32_t>() < 2) throw Error(Code::unprocessable, "GGUF version 1 is not supported");
    tensors_ = reader_.read<uint64_t>();
    const auto pairs = reader_.read<uint64_t>();
    for (uint64_t i = 0; i < pairs; ++i) read_pair();
    for (uint64_t i = 0; i < tensors_; ++i) read_tensor();
    json::object out{{"total", total_}, {"architecture", architecture_}, {"context_length", context_length_}};
    json::array bases;
    for (const auto& [number, base] : bases_) {
      if (const std::string name = base.name(); !name.empty()) bases.emplace_back(name);
    }
    if (!bases.empty()) out["base_models"] = std::move(bases);
    return out;
  }

 private:
  std::string text() {
    const auto length = reader_.read<uint64_t>();
    return std::string(as_text(reader_.take(length)));
  }
  void read_pair() {
    const std::string key = text();
    const auto type = reader_.read<uint32_t>();
    if (key == "general.architecture" && type == 8) {
      architecture_ = text();
    } else if (key.starts_with("general.base_model.") && type == 8) {
      read_base(key.substr(19));
    } else if (key == architecture_ + ".context_length" && type == 4) {
      context_length_ = reader_.read<uint32_t>();
    } else {
      skip(type);
    }
  }
  // "0.repo_url", "0.organization", "0.name"
  void read_base(const std::string& key) {
    const std::string value = text().substr(0, 300);
    const size_t dot = key.find('.');
    if (dot == std::string::npos || bases_.size() > 32) return;
    Base& base = bases_[key.substr(0, dot)];
    const std::string what = key.substr(dot + 1);
    if (what == "repo_url") base.url = value;
    if (what == "organization") base.organization = value;
    if (what == "name") base.title = value;
  }
  void skip(uint32_t type) {
    static constexpr uint8_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (type == 8) return reader_.skip(reader_.read<uint64_t>());
    if (type == 9) {
      const auto inner = reader_.read<uint32_t>();
      const auto count = reader_.read<uint64_t>();
      if (inner == 9) throw Error(Code::unprocessable, "nested arrays are not supported");
      for (uint64_t i = 0; i < count; ++i) skip(inner);
      return;
    }
    if (type >= sizeof sizes) throw Error(Code::unprocessable, "unknown value type");
    reader_.skip(sizes[type]);
  }
  void read_tensor() {
    text();
    uint64_t count = 1;
    const auto dimensions = reader_.read<uint32_t>();
    if (dimensions > 8) throw Error(Code::unprocessable, "too many dimensions");
    for (uint32_t i = 0; i < dimensions; ++i) count *= reader_.read<uint64_t>();
    reader_.skip(12);
    total_ += count;
  }

  struct Base {
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

  ByteReader reader_;
  std::map<std::string, Base> bases_;
  uint64_t tensors_ = 0, total_ = 0;
  uint32_t context_length_ = 0;
  std::string architecture_;
};

}  // namespace

std::optional<json::object> find_safetensors_header(Hub& hub, const Repo& repo, const FileEntry& entry) {
  try {
    const std::string prefix = read_part(hub, repo, entry, 0, 8);
    const auto length = ByteReader(as_bytes(prefix)).read<uint64_t>();
    if (length > kHeaderLimit || length + 8 > entry.size) return std::nullopt;
    json::value value = parse_json(read_part(hub, repo, entry, 8, length), entry.path, kHeaderLimit);
    if (value.is_object()) return std::move(value.as_object());
  } catch (const Error&) {
  }
  return std::nullopt;
}

std::optional<json::object> find_parameter_counts(Hub& hub, const Repo& repo, const std::vector<FileEntry>& files) {
  std::map<std::string, uint64_t> parameters;
  for (const FileEntry& entry : files) {
    if (entry.is_folder || !entry.path.ends_with(".safetensors") || entry.path.find('/') != std::string::npos) continue;
    try {
      if (const auto header = find_safetensors_header(hub, repo, entry)) count_tensors(*header, parameters);
    } catch (const Error&) {
    }
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

json::object parse_gguf_header(Bytes header) { return GgufWalker(header).run(); }

std::optional<json::object> find_gguf(Hub& hub, const Repo& repo, const std::vector<FileEntry>& files) {
  const auto it = std::find_if(files.begin(), files.end(), [](const FileEntry& one) { return one.path.ends_with(".gguf"); });
  if (it == files.end()) return std::nullopt;
  try {
    const std::string head = read_part(hub, repo, *it, 0, kGgufHeaderLimit);
    return parse_gguf_header(as_bytes(head));
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

}  // namespace

RepoFacts derive_facts(Hub& hub, const Repo& repo) {
  RepoFacts facts;
  facts.head = repo.head;
  const std::vector<FileEntry> files = hub.tree(repo, repo.head, "", true, false);
  add_files(files, facts);
  if (const FileEntry* readme = find_file(files, "README.md"); readme && readme->size <= kSmallFileLimit) facts.words = search::card_words(hub.read_small(repo, *readme));
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
