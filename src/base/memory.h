// memory.h: how much memory a process may have here.
#pragma once

#include <cstdint>

namespace lyceum {

struct MemoryState {
  uint64_t total = 0;       // of this machine, or what the control group of this process allows
  uint64_t available = 0;   // of it without swapping: free, or given back by the page cache on demand; 0 when unknown
};
// Linux: /proc/meminfo and memory control groups of both versions. Any thread.
MemoryState read_memory_state();

}  // namespace lyceum
