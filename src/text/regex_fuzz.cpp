// First line: a regular expression of a tokenizer.json; the rest: a text. The matches must cover the text, or there is an Error.
#include <cstdint>

#include "base/error.h"
#include "text/regex.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lyceum;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\n'), size);
  const std::string_view subject = input.substr(std::min(end + 1, size));
  try {
    const text::Regex regex(input.substr(0, end));
    std::vector<text::Match> matches;
    regex.find_all(subject, matches);
    regex.replace_all(subject, "x");
  } catch (const Error&) {
  }
  return 0;
}
