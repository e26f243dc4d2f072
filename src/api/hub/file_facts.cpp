#include "api/hub/file_facts.h"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/files.h"

namespace lyceum::api {
namespace {

constexpr uint64_t kHeaderLimit = 64u << 20;
constexpr uint64_t kGgufHeaderLimit = 16u << 20;
constexpr size_t kSmallFileLimit = 4u << 20;

const hub::FileEntry* find_file(const std::vector<hub::FileEntry>& files, std::string_view path) {
  const auto it = std::find_if(files.begin(), files.end(), [&](const hub::FileEntry& one) { return one.path == path && !one.is_folder; });
  return it == files.end() ? nullptr : &*it;
}

// [offset, offset + length) of a file of the repository, shorter at its end.
std::string read_part(hub::Hub& hub, const hub::Repo& repo, const hub::FileEntry& entry, uint64_t offset, uint64_t length) {
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

std::optional<json::object> find_json(hub::Hub& hub, const hub::Repo& repo, const std::vector<hub::FileEntry>& files, std::string_view path) {
  const hub::FileEntry* entry = find_file(files, path);
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
    return {{"total", total_}, {"architecture", architecture_}, {"context_length", context_length_}};
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
    } else if (key == architecture_ + ".context_length" && type == 4) {
      context_length_ = reader_.read<uint32_t>();
    } else {
      skip(type);
    }
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

  ByteReader reader_;
  uint64_t tensors_ = 0, total_ = 0;
  uint32_t context_length_ = 0;
  std::string architecture_;
};

}  // namespace

std::optional<json::object> find_safetensors_header(hub::Hub& hub, const hub::Repo& repo, const hub::FileEntry& entry) {
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

std::optional<json::object> find_parameter_counts(hub::Hub& hub, const hub::Repo& repo, const std::vector<hub::FileEntry>& files) {
  std::map<std::string, uint64_t> parameters;
  for (const hub::FileEntry& entry : files) {
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

std::optional<json::object> find_config(hub::Hub& hub, const hub::Repo& repo, const std::vector<hub::FileEntry>& files) {
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
    copy_keys(*config, tokenizer, {"bos_token", "chat_template", "eos_token", "pad_token", "unk_token", "use_default_system_prompt"});
  if (const hub::FileEntry* entry = find_file(files, "chat_template.jinja"); entry && entry->size <= kSmallFileLimit)
    out["chat_template_jinja"] = read_part(hub, repo, *entry, 0, kSmallFileLimit);
  if (!tokenizer.empty()) out["tokenizer_config"] = std::move(tokenizer);
  if (out.empty()) return std::nullopt;
  return out;
}

std::optional<json::object> find_gguf(hub::Hub& hub, const hub::Repo& repo, const std::vector<hub::FileEntry>& files) {
  const auto it = std::find_if(files.begin(), files.end(), [](const hub::FileEntry& one) { return one.path.ends_with(".gguf"); });
  if (it == files.end()) return std::nullopt;
  try {
    const std::string head = read_part(hub, repo, *it, 0, kGgufHeaderLimit);
    return GgufWalker(as_bytes(head)).run();
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<json::object> find_transformers_info(const hub::Repo& repo, const json::object& config) {
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

}  // namespace lyceum::api
