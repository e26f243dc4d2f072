#include "base/memory.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace lyceum {
namespace {

namespace fs = std::filesystem;

std::optional<uint64_t> read_number(const fs::path& path) {
  std::ifstream file(path);
  uint64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;   // absent, or "max"
}

uint64_t read_meminfo(const std::string& wanted) {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key;
    uint64_t kib = 0;
    if (words >> key >> kib && key == wanted + ":") return kib << 10;
  }
  return 0;
}

// File pages that a group counts as used and gives back when asked.
uint64_t read_reclaimable(const fs::path& folder) {
  std::ifstream file(folder / "memory.stat");
  uint64_t bytes = 0, value = 0;
  for (std::string key; file >> key >> value;) {
    if (key == "inactive_file" || key == "active_file") bytes += value;
  }
  return bytes;
}

// Every group from this process's own up to the root may set a limit.
void apply_groups(fs::path folder, const fs::path& root, const char* limit_name, const char* usage_name, MemoryState& state) {
  while (true) {
    if (const auto limit = read_number(folder / limit_name); limit && *limit < state.total) {
      const uint64_t used = read_number(folder / usage_name).value_or(0);
      const uint64_t held = used - std::min(used, read_reclaimable(folder));
      state.total = *limit;
      state.available = std::min(state.available, *limit - std::min(*limit, held));
    }
    if (folder == root || !folder.has_relative_path()) return;
    folder = folder.parent_path();
  }
}

}  // namespace

MemoryState read_memory_state() {
  MemoryState state{static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE)), read_meminfo("MemAvailable")};
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {   // "4:memory:/a/b" (version 1), "0::/a/b" (version 2)
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controllers.empty()) apply_groups(fs::path("/sys/fs/cgroup" + path).lexically_normal(), "/sys/fs/cgroup", "memory.max", "memory.current", state);
    if (controllers == "memory") {
      apply_groups(fs::path("/sys/fs/cgroup/memory" + path).lexically_normal(), "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", state);
    }
  }
  return state;
}

}  // namespace lyceum
