// golden_files.h: for tests: where the goldens of tests/goldens/models are and how to read them.
#pragma once

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/source_dir.h"
#include "formats/safetensors.h"

namespace lyceum::engine {

inline std::filesystem::path goldens_folder() { return std::filesystem::path(kSourceDir) / "tests/goldens/models"; }

inline std::vector<std::string> list_goldens(const char* kind) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(goldens_folder() / kind)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

struct Expected {
  std::vector<int32_t> ids;
  std::vector<float> logits;   // (ids, vocab)
};

inline Expected read_expected(const std::filesystem::path& folder) {
  const formats::SafetensorsFile file(folder / "expected.safetensors");
  const auto read = [&](const char* name, auto& out) {
    const auto* tensor = file.header().find(name);
    out.resize(tensor->elements());
    std::memcpy(out.data(), file.bytes(*tensor).data(), out.size() * sizeof(out[0]));
  };
  Expected out;
  read("ids", out.ids);
  read("logits", out.logits);
  return out;
}

}  // namespace lyceum::engine
