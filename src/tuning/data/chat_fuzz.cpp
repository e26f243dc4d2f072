// A file of chats from outside: messages or an Error.
#include "base/fuzz_file.h"
#include "tuning/data/chat.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const lyceum::FuzzFile file(data, size);
  try {
    const auto chats = lyceum::tuning::load_chats(file.path());
    LYCEUM_CHECK(!chats.empty(), "a file without chats is refused");
  } catch (const lyceum::Error&) {
  }
  return 0;
}
