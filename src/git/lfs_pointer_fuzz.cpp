#include <cstdlib>

#include "git/lfs_pointer.h"

// What is accepted must survive being written and read again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum::git;
  const auto pointer = find_lfs_pointer({reinterpret_cast<const char*>(data), size});
  if (!pointer) return 0;
  const auto again = find_lfs_pointer(format_lfs_pointer(*pointer));
  if (!again || again->sha256 != pointer->sha256 || again->size != pointer->size) std::abort();
  return 0;
}
