// response_writer.h: a Response onto a socket.
#pragma once

#include <string>

#include "http/message.h"
#include "http/socket_io.h"

namespace lyceum::http {

struct WriteOptions {
  bool head = false;         // the request was HEAD: headers only
  bool http11 = true;        // the client knows chunks
  bool keep_alive = true;
  std::string request_id = {};
};

// Opens files before the first byte goes out, so that a missing file is still an Error the caller can answer; `started` says
// whether bytes were sent when something is thrown. Returns whether the connection can carry another request.
bool write_response(SocketIo& io, const Response& response, const WriteOptions& options, bool& started);

std::string_view reason_phrase(int status) noexcept;

}  // namespace lyceum::http
