// A recording from outside: samples that are numbers, within the length that was allowed, or an Error.
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "formats/audio.h"

// libsndfile 1.2.0 forgets some kilobytes of libvorbis when an Ogg stream breaks off in its headers (docs/decisions/0014).
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:vorbis\nleak:ogg_\n"; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto samples = lyceum::formats::decode_audio({reinterpret_cast<const std::byte*>(data), size}, 16000, 2);
    if (samples.size() > 2 * 16000 + 16000) __builtin_trap();
    for (const float one : samples) {
      if (!std::isfinite(one)) __builtin_trap();
    }
  } catch (const lyceum::Error&) {
  }
  return 0;
}
