#include "http/request_body.h"

#include <array>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"

namespace lyceum::http {
namespace {

constexpr int kPieceBytes = 256 << 10;  // fits a core's cache, so that whoever hashes a piece finds it there

// Bytes of a connection: first what was read along with the header, then the socket.
struct ConnectionSource {
  beast::flat_buffer& buffer;
  SocketIo& io;

  size_t read_some(std::span<std::byte> into) {
    if (buffer.size() == 0) return io.read_some(into);
    const size_t count = std::min(into.size(), buffer.size());
    std::memcpy(into.data(), buffer.data().data(), count);
    buffer.consume(count);
    return count;
  }
};

}  // namespace

void parse_head(HeadParser& parser, beast::flat_buffer& buffer, size_t head_bytes) {
  parser.header_limit(static_cast<uint32_t>(head_bytes));
  parser.body_limit(boost::none);
  beast::error_code error;
  const size_t used = parser.put(asio::const_buffer(buffer.data().data(), head_bytes), error);
  if (error && error != beast::http::error::need_buffer) throw Error(Code::invalid_argument, "Not a well-formed HTTP/1.1 request: " + error.message());
  if (used != head_bytes || !parser.is_header_done()) throw Error(Code::invalid_argument, "Not a well-formed HTTP/1.1 request");
  buffer.consume(head_bytes);
}

RequestBody::RequestBody(HeadParser& parser, beast::flat_buffer& buffer, SocketIo& io, uint64_t limit_bytes)
    : parser_(parser), buffer_(buffer), io_(io), limit_bytes_(limit_bytes) {
  const auto& message = parser.get();
  chunked_ = message.count(beast::http::field::transfer_encoding) > 0;  // check_head() lets nothing but "chunked" through
  if (!chunked_) remaining_ = length_ = parser.content_length().value_or(0);
  const auto expect = message[beast::http::field::expect];
  awaits_continue_ = message.version() == 11 && has_token({expect.data(), expect.size()}, "100-continue");
}

size_t RequestBody::read(std::span<std::byte> into) {
  if (ended() || into.empty()) return 0;
  if (!chunked_ && length_ > limit_bytes_) refuse_length();
  if (awaits_continue_) {
    awaits_continue_ = false;
    if (buffer_.size() == 0) io_.write_all("HTTP/1.1 100 Continue\r\n\r\n");
  }
  return chunked_ ? read_chunked(into) : read_plain(into);
}

bool RequestBody::worth_draining() const { return !awaits_continue() && (chunked_ || remaining_ <= kDrainKeepAlive); }

bool RequestBody::drain(uint64_t limit_bytes, double seconds) noexcept {
  try {
    std::array<std::byte, 32768> scratch;
    const double begin = monotonic_seconds();
    for (uint64_t swallowed = 0; !ended();) {
      if (swallowed > limit_bytes || monotonic_seconds() - begin > seconds) return false;
      swallowed += chunked_ ? read_chunked(scratch) : read_plain(scratch);
    }
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void RequestBody::refuse_length() const {
  throw Error(Code::too_large, "The request body is over the server's limit of " + std::to_string(limit_bytes_) + " bytes");
}

size_t RequestBody::read_plain(std::span<std::byte> into) {
  ConnectionSource source{buffer_, io_};
  io_.set_low_water(remaining_ > 2 * kPieceBytes ? kPieceBytes / 2 : 1);
  const size_t got = source.read_some(into.first(static_cast<size_t>(std::min<uint64_t>({into.size(), remaining_, kPieceBytes}))));
  if (got == 0) throw Error(Code::invalid_argument, "The request body ended " + std::to_string(remaining_) + " bytes early");
  remaining_ -= got;
  received_ += got;
  return got;
}

size_t RequestBody::read_chunked(std::span<std::byte> into) {
  const size_t got = read_framed_body(io_, buffer_, parser_, into);
  received_ += got;
  if (received_ > limit_bytes_) refuse_length();
  return got;
}

}  // namespace lyceum::http
