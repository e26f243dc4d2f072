// process_use.h: what another process uses just now, from /proc.
#pragma once

#include <cstdint>

namespace lyceum::api {

struct ProcessUse {
  uint64_t resident = 0;               // bytes
  double cpu_seconds = 0;              // of all its threads, since it began
};
ProcessUse read_process_use(int pid);  // zeros when it has gone

}  // namespace lyceum::api
