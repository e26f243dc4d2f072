// The whole way of a request's bytes: strict check, parser, body framing. Whatever passes the check must mean one thing only.
#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "http/head_check.h"
#include "http/request_body.h"
#include "http/request_head.h"

namespace {

using namespace lyceum::http;

class MemoryIo final : public SocketIo {
 public:
  explicit MemoryIo(std::string_view bytes) : SocketIo(-1, 1), bytes_(bytes) {}
  Attempt try_read(std::span<std::byte> into) override {
    const size_t count = std::min({into.size(), bytes_.size(), size_t{7}});
    std::memcpy(into.data(), bytes_.data(), count);
    bytes_.remove_prefix(count);
    return {count, 0};
  }
  Attempt try_write(std::string_view bytes, bool) override { return {bytes.size(), 0}; }

 private:
  std::string_view bytes_;
};

void one_request(std::string_view head, std::string_view rest) {
  beast::flat_buffer buffer(1u << 20);
  std::memcpy(buffer.prepare(head.size()).data(), head.data(), head.size());
  buffer.commit(head.size());
  HeadParser parser;
  parse_head(parser, buffer, head.size());
  Request request;
  request.headers = copy_headers(parser.get());
  set_target(request, {parser.get().target().data(), parser.get().target().size()});
  MemoryIo io(rest);
  RequestBody body(parser, buffer, io, 1u << 20);
  const auto length = body.length();
  LYCEUM_CHECK(length.has_value() != request.headers.find("Transfer-Encoding").has_value(), "a body is framed by one of the two");
  std::array<std::byte, 100> piece;
  uint64_t total = 0;
  while (const size_t got = body.read(piece)) total += got;
  LYCEUM_CHECK(!length || *length == total, "a body has its stated length");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const size_t end = bytes.find("\r\n\r\n");
    check_head_so_far(bytes.substr(0, end == std::string_view::npos ? end : end + 4), 0);
    if (end == std::string_view::npos) return 0;
    const std::string_view head = bytes.substr(0, end + 4);
    check_head(head);
    one_request(head, bytes.substr(end + 4));
  } catch (const lyceum::Error& error) {
    using lyceum::Code;
    LYCEUM_CHECK(error.code() == Code::invalid_argument || error.code() == Code::too_large || error.code() == Code::unsupported, "hostile bytes are bad requests, nothing else");
  }
  return 0;
}
