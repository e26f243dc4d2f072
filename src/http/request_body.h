// request_body.h: one request out of the bytes of a connection: its parsed head and its body. Includes Beast, so only connection.cpp
// and the fuzzer use it.
#pragma once

#include <optional>

#include "http/beast_stream.h"
#include "http/message.h"
#include "http/socket_io.h"

namespace lyceum::http {

using HeadParser = beast::http::request_parser<beast::http::buffer_body>;

// Parses a head that check_head() has passed; consumes it from the buffer. Error(invalid_argument) if Beast refuses it.
void parse_head(HeadParser& parser, beast::flat_buffer& buffer, size_t head_bytes);

// The body of one request. Content-Length bodies go from the socket into the caller's memory; chunked ones through Beast's parser.
// Bytes that were read along with the head come first.
class RequestBody final : public BodyStream {
 public:
  RequestBody(HeadParser& parser, beast::flat_buffer& buffer, SocketIo& io, uint64_t limit_bytes);

  std::optional<uint64_t> length() const override { return chunked_ ? std::nullopt : std::optional(length_); }
  size_t read(std::span<std::byte> into) override;

  uint64_t received() const { return received_; }
  bool ended() const { return chunked_ ? parser_.is_done() : remaining_ == 0; }
  // The client waits for our word before it sends: it may or may not do so after a final answer, so the connection cannot go on.
  bool awaits_continue() const { return awaits_continue_ && !ended(); }
  bool worth_draining() const;
  // Swallows what is left. False: over the limit, or broken.
  bool drain(uint64_t limit_bytes, double seconds) noexcept;

 private:
  [[noreturn]] void refuse_length() const;
  size_t read_plain(std::span<std::byte> into);
  size_t read_chunked(std::span<std::byte> into);

  HeadParser& parser_;
  beast::flat_buffer& buffer_;
  SocketIo& io_;
  uint64_t limit_bytes_;
  bool chunked_ = false;
  bool awaits_continue_ = false;
  uint64_t length_ = 0, remaining_ = 0, received_ = 0;
};

// A body left unread is swallowed up to kDrainKeepAlive to keep the connection, and up to kDrainClosing before closing, so that the
// client gets to read the answer.
inline constexpr uint64_t kDrainKeepAlive = 8u << 20;
inline constexpr uint64_t kDrainClosing = 256u << 20;
inline constexpr double kDrainClosingSeconds = 20;

}  // namespace lyceum::http
