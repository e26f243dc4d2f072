#include "quantizer/source.h"

#include <algorithm>

#include "base/files.h"
#include "models/load.h"

namespace lyceum::quantizer {
namespace {

json::object read_config_json(const fs::path& folder) {
  constexpr uint64_t kLimit = 4u << 20;
  const fs::path path = folder / "config.json";
  if (!fs::exists(path)) return {};
  const json::value value = parse_json(read_file(path, kLimit), path.string(), kLimit);
  return get_object(value, path.string());
}

bool is_own_key(const std::string& key) {
  return key == "general.file_type" || key == "general.quantization_version" || key.starts_with("quantize.imatrix.") || key == "lyceum.lineage";
}

}  // namespace

fs::path find_model_file(const fs::path& path) {
  if (!fs::is_directory(path)) return path;
  fs::path found;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.path().extension() == ".safetensors") return {};
    if (entry.path().extension() == ".gguf") found = entry.path();
  }
  return found;
}

Source open_source(const fs::path& path) {
  Source out;
  out.decoder = models::load_decoder(path);
  const fs::path file = find_model_file(path);
  if (!file.empty() && file.extension() != ".bin") {
    out.file = std::make_shared<formats::GgufFile>(file);
    out.tensors = list_tensors(*out.file);
    for (const formats::GgufPair& pair : out.file->header().pairs) {
      if (!is_own_key(pair.key)) out.metadata.set_raw(pair.key, out.file->bytes(pair));
    }
    return out;
  }
  ModelFacts facts = describe_model(out.decoder->config, fs::is_directory(path) ? read_config_json(path) : json::object{});
  out.metadata = std::move(facts.metadata);
  out.facts = std::move(facts.tensors);
  out.tensors = list_tensors(*out.decoder);
  out.tokenizer = set_tokenizer(path, out.decoder->config, out.metadata);
  return out;
}

}  // namespace lyceum::quantizer
