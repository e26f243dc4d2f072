// beast_stream.h: what lets Beast's parsers read from a SocketIo. Included by request_body.h and client.cpp only.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <string>

#include "base/error.h"
#include "http/message.h"

namespace lyceum::http {

namespace asio = boost::asio;
namespace beast = boost::beast;

// Models Beast's SyncReadStream over anything with size_t read_some(std::span<std::byte>) that throws lyceum::Error.
template <typename Source>
class BeastStream {
 public:
  explicit BeastStream(Source& source) : source_(source) {}

  template <typename Buffers>
  size_t read_some(const Buffers& buffers, beast::error_code& error) {
    error = {};
    const asio::mutable_buffer first = *asio::buffer_sequence_begin(buffers);
    if (first.size() == 0) return 0;
    const size_t got = source_.read_some({static_cast<std::byte*>(first.data()), first.size()});
    if (got == 0) error = asio::error::eof;
    return got;
  }
  template <typename Buffers>
  size_t read_some(const Buffers& buffers) {
    beast::error_code error;
    const size_t got = read_some(buffers, error);
    if (error) throw beast::system_error(error);
    return got;
  }

 private:
  Source& source_;
};

// Pulls some decoded body bytes out of a parser whose header is complete; 0 = the body has ended. Framing errors are Error(invalid_argument).
template <typename Source, bool is_request>
size_t read_framed_body(Source& source, beast::flat_buffer& buffer, beast::http::parser<is_request, beast::http::buffer_body>& parser,
                        std::span<std::byte> into) {
  BeastStream<Source> stream(source);
  if (into.empty()) return 0;
  while (!parser.is_done()) {
    auto& body = parser.get().body();
    body.data = into.data();
    body.size = into.size();
    beast::error_code error;
    beast::http::read_some(stream, buffer, parser, error);
    if (error && error != beast::http::error::need_buffer) throw Error(Code::invalid_argument, "The HTTP body is broken: " + error.message());
    if (body.size < into.size()) return into.size() - body.size;
  }
  return 0;
}

template <typename Fields>
Headers copy_headers(const Fields& fields) {
  Headers headers;
  for (const auto& field : fields) headers.add({field.name_string().data(), field.name_string().size()}, {field.value().data(), field.value().size()});
  return headers;
}

}  // namespace lyceum::http
