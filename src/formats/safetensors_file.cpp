#include <set>

#include "base/json.h"
#include "formats/safetensors.h"

namespace lyceum::formats {
namespace {

constexpr std::string_view kIndexName = "model.safetensors.index.json";
constexpr size_t kIndexBytesMax = 64u << 20;

// The file that stands for a folder: the single file, the index, or the only .safetensors there.
fs::path file_of_folder(const fs::path& folder) {
  if (fs::exists(folder / "model.safetensors")) return folder / "model.safetensors";
  if (fs::exists(folder / kIndexName)) return folder / kIndexName;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") found.push_back(entry.path());
  }
  if (found.size() == 1) return found.front();
  throw Error(found.empty() ? Code::not_found : Code::unprocessable,
              folder.string() + (found.empty() ? " has no .safetensors file" : " has several .safetensors files and no " + std::string(kIndexName)));
}

// A shard's name comes from the index, that is, from outside: it must be a plain file name.
void check_shard_name(const std::string& name, const fs::path& index) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos || name.find('\0') != std::string::npos) {
    throw Error(Code::unprocessable, index.string() + ": '" + name + "' is not a file name beside the index");
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(const fs::path& path)
    : map_(path), header_(parse_safetensors_header(map_.bytes(), map_.bytes().size(), path.string())) {}

Bytes SafetensorsFile::bytes(const SafetensorsTensor& tensor) const noexcept {
  return map_.bytes().subspan(header_.data_offset + tensor.begin, tensor.end - tensor.begin);
}

SafetensorsModel::SafetensorsModel(const fs::path& path) : path_(path) {
  const fs::path file = fs::is_directory(path) ? file_of_folder(path) : path;
  if (file.extension() == ".json") {
    load_index(file);
  } else {
    add_file(file);
  }
}

void SafetensorsModel::add_file(const fs::path& path) {
  files_.push_back(std::make_shared<SafetensorsFile>(path));
  for (const SafetensorsTensor& tensor : files_.back()->header().tensors) {
    const auto [entry, fresh] = by_name_.try_emplace(tensor.name, files_.size() - 1, &tensor);
    if (!fresh) {
      throw Error(Code::unprocessable, "tensor '" + tensor.name + "' is in both " + files_[entry->second.first]->path().string() + " and " + path.string());
    }
  }
}

void SafetensorsModel::load_index(const fs::path& index) {
  const json::value value = parse_json(read_file(index, kIndexBytesMax), index.string(), kIndexBytesMax);
  const json::object* map = find_object(get_object(value, index.string()), "weight_map");
  if (map == nullptr) throw Error(Code::unprocessable, index.string() + ": field 'weight_map' is missing");
  std::set<std::string> shards;
  for (const auto& entry : *map) {
    if (!entry.value().is_string()) throw Error(Code::unprocessable, index.string() + ": weight_map holds something that is not a file name");
    const std::string shard(entry.value().get_string());
    check_shard_name(shard, index);
    shards.insert(shard);
  }
  for (const std::string& shard : shards) add_file(index.parent_path() / shard);
  for (const auto& entry : *map) {
    const auto found = by_name_.find(std::string_view(entry.key()));
    if (found == by_name_.end() || files_[found->second.first]->path().filename() != std::string_view(entry.value().get_string())) {
      throw Error(Code::unprocessable, index.string() + ": tensor '" + std::string(entry.key()) + "' is not in " + std::string(entry.value().get_string()));
    }
  }
}

std::optional<SafetensorsModel::Found> SafetensorsModel::find(std::string_view name) const {
  const auto entry = by_name_.find(name);
  if (entry == by_name_.end()) return std::nullopt;
  const auto& [file, tensor] = entry->second;
  return Found{tensor, files_[file]->bytes(*tensor), &files_[file]->path()};
}

SafetensorsModel::Found SafetensorsModel::get(std::string_view name) const {
  auto found = find(name);
  if (!found) throw Error(Code::unprocessable, path_.string() + " has no tensor '" + std::string(name) + "'");
  return *found;
}

std::vector<std::string> SafetensorsModel::names() const {
  std::vector<std::string> names;
  for (const auto& entry : by_name_) names.push_back(entry.first);
  return names;
}

}  // namespace lyceum::formats
