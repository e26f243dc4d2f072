// Range headers and gzip bodies on hostile bytes.
#include <cstring>

#include "base/error.h"
#include "http/gzip_body.h"
#include "http/range.h"

namespace {

class Memory final : public lyceum::http::BodyStream {
 public:
  explicit Memory(std::string_view text) : text_(text) {}
  size_t read(std::span<std::byte> into) override {
    const size_t count = std::min(into.size(), text_.size());
    std::memcpy(into.data(), text_.data(), count);
    text_.remove_prefix(count);
    return count;
  }
  std::optional<uint64_t> length() const override { return text_.size(); }

 private:
  std::string_view text_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  constexpr uint64_t whole = 1000;
  for (const std::string& header : {std::string(text), "bytes=" + std::string(text)}) {
    if (const auto ranges = lyceum::http::find_ranges(header, whole)) {
      for (const auto& range : *ranges) LYCEUM_CHECK(range.length > 0 && range.offset < whole && range.length <= whole - range.offset, "a range must lie inside");
    }
  }
  try {
    Memory memory(text);
    (void)lyceum::http::inflate_body(memory, 1u << 20)->read_all(1u << 20);
  } catch (const lyceum::Error&) {
    return 0;
  }
  return 0;
}
