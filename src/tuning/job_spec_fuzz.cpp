// spec.json of a run folder, which a lineage record from outside may have made: a specification or an Error.
#include <fstream>

#include "tuning/job.h"
#include "base/files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const lyceum::TempFolder folder;
  std::ofstream(folder.path() / "spec.json", std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  try {
    lyceum::tuning::load_spec(folder.path());
  } catch (const lyceum::Error&) {
  }
  return 0;
}
