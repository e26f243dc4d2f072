// A multipart body from outside: parts that lie within it, or an Error. The first line is the boundary.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/openai/multipart.h"
#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t line = text.find('\n');
  const std::string_view body = line == std::string_view::npos ? std::string_view() : text.substr(line + 1);
  try {
    const auto form = lyceum::api::FormData::parse("multipart/form-data; boundary=" + std::string(text.substr(0, line)), body);
    for (const auto& part : form.parts()) {
      if (!part.body.empty() && (part.body.data() < body.data() || part.body.data() + part.body.size() > body.data() + body.size())) __builtin_trap();
      if (form.find(part.name) == nullptr) __builtin_trap();
    }
  } catch (const lyceum::Error&) {
  }
  return 0;
}
