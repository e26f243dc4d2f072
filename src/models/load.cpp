#include "models/load.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/files.h"
#include "models/sources.h"

namespace lyceum::models {

namespace {

bool is_gguf(const fs::path& path) {
  const UniqueFd fd = open_file(path, O_RDONLY);
  std::array<char, 4> magic{};
  return ::read(fd.get(), magic.data(), magic.size()) == 4 && std::memcmp(magic.data(), "GGUF", 4) == 0;
}

// The only file of a folder with that ending; empty when there is none.
fs::path find_single(const fs::path& folder, std::string_view ending) {
  fs::path found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ending) continue;
    if (!found.empty()) {
      throw Error(Code::invalid_argument, folder.string() + " has several " + std::string(ending) + " files; name the one to load");
    }
    found = entry.path();
  }
  return found;
}

std::shared_ptr<const Decoder> load_folder(const fs::path& folder, Values values) {
  const bool has_safetensors = std::ranges::any_of(fs::directory_iterator(folder), [](const auto& entry) {
    return entry.path().extension() == ".safetensors" || entry.path().filename() == "model.safetensors.index.json";
  });
  if (has_safetensors && fs::exists(folder / "config.json")) return load_safetensors_folder(folder, values);
  if (const fs::path gguf = find_single(folder, ".gguf"); !gguf.empty()) return load_gguf(gguf);
  if (has_safetensors) throw Error(Code::not_found, folder.string() + " has no config.json");
  if (fs::exists(folder / "pytorch_model.bin") || fs::exists(folder / "pytorch_model.bin.index.json")) {
    throw Error(Code::unsupported, folder.string() + " has only pickled weights (pytorch_model.bin), which are never opened; save the model with safe_serialization=True");
  }
  throw Error(Code::not_found, folder.string() + " has no *.safetensors and no *.gguf file");
}

}  // namespace

std::optional<tensor::DType> find_dtype(std::string_view dtype) noexcept {
  for (const tensor::DType each : tensor::kDTypes) {
    if (tensor::name(each) == dtype) return each;
  }
  return std::nullopt;
}

std::shared_ptr<std::vector<std::byte>> interleaved_to_halves(Bytes rows, size_t row_count, size_t row_bytes, size_t head_dim) {
  LYCEUM_CHECK(rows.size() == row_count * row_bytes && row_count % head_dim == 0, "rows of whole heads");
  auto out = std::make_shared<std::vector<std::byte>>(rows.size());
  const size_t half = head_dim / 2;
  for (size_t row = 0; row < row_count; ++row) {
    const size_t head = row / head_dim * head_dim, inner = row % head_dim;
    const size_t target = head + inner / 2 + (inner % 2) * half;
    std::memcpy(out->data() + target * row_bytes, rows.data() + row * row_bytes, row_bytes);
  }
  return out;
}

std::shared_ptr<const Decoder> load_decoder(const std::filesystem::path& path, Values values) {
  if (!fs::exists(path)) throw Error(Code::not_found, path.string() + " does not exist");
  if (fs::is_directory(path)) return load_folder(path, values);
  if (is_gguf(path)) return load_gguf(path);
  if (path.extension() == ".bin") return load_llama2c(path);
  throw Error(Code::unsupported, path.string() + " is neither a model folder, a GGUF file nor a llama2.c checkpoint (.bin)");
}

}  // namespace lyceum::models
