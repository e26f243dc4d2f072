// A planted fault that fuzzing must find within seconds: if it does not, the fuzzers are not looking (`./dev fuzz` and `ci` check it).
#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= 3 && data[0] == 'B' && data[1] == 'U' && data[2] == 'G') std::abort();
  return 0;
}
