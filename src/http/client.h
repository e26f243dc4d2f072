// client.h: a blocking HTTP/1.1 client for http://, https:// and Unix sockets. Used by the command line, to talk to a hub,
// and by the hub, to talk to its engine processes. Follows no redirects on its own.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "http/message.h"

namespace lyceum::http {

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";            // escaped path and query
  Headers headers;
  std::string body;                    // or:
  std::filesystem::path body_file;     // streamed from disk with Content-Length
  std::function<void(uint64_t sent)> on_sent;
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;                    // empty when a sink took it
};

class Client {
 public:
  // base: "http://127.0.0.1:7860[/prefix]", "https://…", or "unix:/path/to/socket".
  explicit Client(std::string base, unsigned timeout_s = 120);
  ~Client();
  // sink, if given, gets body bytes as they come (after the status is known to be 2xx) and returns false to stop. Throws Error(unavailable) when
  // the server cannot be reached or breaks off; a 4xx/5xx is returned, not thrown.
  ClientResponse send(const ClientRequest& request, const std::function<bool(std::string_view)>& sink = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lyceum::http
