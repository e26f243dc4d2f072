#include "api/openai/materialise.h"

#include <algorithm>

#include "base/files.h"
#include "base/random.h"
#include "http/message.h"

namespace lyceum::api {
namespace {

constexpr std::string_view kEndings[] = {".json", ".jinja", ".safetensors", ".gguf", ".model", ".txt"};

bool wanted(const hub::FileEntry& entry) {
  return !entry.is_folder && std::any_of(std::begin(kEndings), std::end(kEndings), [&](std::string_view ending) { return entry.path.ends_with(ending); });
}

// The files beside the weights, and the settings of sentence-transformers' modules ("1_Pooling/config.json").
std::vector<hub::FileEntry> list_wanted(hub::Hub& hub, const hub::Repo& repo, const std::string& commit) {
  std::vector<hub::FileEntry> out;
  for (const hub::FileEntry& entry : hub.tree(repo, commit, "", false, false)) {
    if (wanted(entry)) out.push_back(entry);
    const bool module = entry.is_folder && entry.path.size() > 2 && entry.path[0] >= '0' && entry.path[0] <= '9' && entry.path[1] == '_';
    if (const auto settings = module ? hub.find_entry(repo, commit, entry.path + "/config.json") : std::nullopt) out.push_back(*settings);
  }
  return out;
}

// Folders of earlier commits: an engine reads its files when it starts, so an hour later nobody needs them.
void prune_older(const fs::path& root, const std::string& public_id, const fs::path& keep) {
  std::error_code error;
  const auto old = fs::file_time_type::clock::now() - std::chrono::hours(1);
  for (const auto& entry : fs::directory_iterator(root, error)) {
    if (entry.path() == keep || !entry.path().filename().string().starts_with(public_id + "-")) continue;
    if (fs::last_write_time(entry.path(), error) < old && !error) fs::remove_all(entry.path(), error);
  }
}

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

}  // namespace

fs::path materialise(hub::Hub& hub, const hub::Repo& repo, const std::string& commit) {
  const fs::path root = fs::absolute(hub.data_folder()) / "engines";
  const fs::path folder = root / (repo.public_id + "-" + commit);
  if (fs::exists(folder)) return folder;
  const fs::path building = root / (".building-" + secure_alphanumeric(12));
  fs::create_directories(building);
  for (const hub::FileEntry& entry : list_wanted(hub, repo, commit)) {
    fs::create_directories((building / entry.path).parent_path());
    if (entry.sha256.empty()) {
      write_file_durable(building / entry.path, hub.read_small(repo, entry));
    } else {
      fs::create_symlink(fs::absolute(hub.blob_path(entry.sha256)), building / entry.path);
    }
  }
  std::error_code error;
  fs::rename(building, folder, error);
  prune_older(root, repo.public_id, folder);
  if (error) {
    fs::remove_all(building);
    if (!fs::exists(folder)) throw Error(Code::internal, "Cannot create " + folder.string() + ": " + error.message());  // else another thread was quicker
  }
  return folder;
}

ModelFiles inspect_files(hub::Hub& hub, const hub::Repo& repo, const std::string& commit) {
  ModelFiles files;
  bool config = false, safetensors = false;
  for (const hub::FileEntry& entry : hub.tree(repo, commit, "", false, false)) {
    if (entry.is_folder) continue;
    config = config || entry.path == "config.json";
    files.adapter = files.adapter || entry.path == "adapter_config.json";
    safetensors = safetensors || (entry.path.ends_with(".safetensors") && entry.path != "adapter_model.safetensors");
    if (entry.path.ends_with(".gguf")) files.gguf.push_back(entry.path);
  }
  files.transformer = config && safetensors;
  std::sort(files.gguf.begin(), files.gguf.end());
  return files;
}

fs::path model_path(const fs::path& folder, const ModelFiles& files, const std::string& variant) {
  if (variant.empty() && files.transformer) return folder;
  const std::vector<std::string> preferred = variant.empty() ? std::vector<std::string>{"q4_k_m", "q8_0", ""} : std::vector<std::string>{lower(variant)};
  for (const std::string& name : preferred) {
    for (const std::string& file : files.gguf) {
      if (lower(file).find(name) != std::string::npos) return folder / file;
    }
  }
  throw Error(Code::not_found, "No GGUF file of the model is named " + variant, "model_not_found");
}

}  // namespace lyceum::api
