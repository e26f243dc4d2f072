// response_writer.h: a Response onto a socket.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "http/message.h"
#include "http/socket_io.h"

namespace lyceum::http {

struct WriteOptions {
  bool head = false;         // the request was HEAD: headers only
  bool http11 = true;        // the client knows chunks
  bool keep_alive = true;
  std::string request_id = {};
};

// An answer on its way out. Opens its files at once, so that a missing one is still an Error the caller can answer.
class Outgoing {
 public:
  Outgoing(Response response, const WriteOptions& options);
  bool keep_alive() const noexcept { return keep_alive_; }   // can the connection carry another request?
  int status() const noexcept { return status_; }
  bool is_stream() const noexcept { return stream_ != nullptr; }
  uint64_t sent() const noexcept { return sent_; }           // bytes, head included

  void run_stream(SocketIo& io);   // for streams: runs the handler's function, blocking
  // For all others: sends what goes without waiting. POLLIN or POLLOUT: call again then; 0: all is sent.
  short send_some(SocketIo& io);
  void send_all(SocketIo& io);     // the same, waiting

 private:
  struct Piece {
    std::string text;
    FileBody file;
    int fd = -1;     // of file, owned by files_
  };
  void add_file(Piece& piece);
  std::optional<SocketIo::Attempt> step(SocketIo& io);

  int status_;
  bool keep_alive_ = true, chunked_ = false;
  std::vector<Piece> pieces_;
  std::map<std::filesystem::path, UniqueFd> files_;
  std::function<void(BodyWriter&)> stream_;
  size_t piece_ = 0;
  uint64_t done_in_piece_ = 0, sent_ = 0;
};

std::string_view reason_phrase(int status) noexcept;

}  // namespace lyceum::http
