// client.h: a blocking HTTP/1.1 client for http://, https:// and Unix sockets. Used by the command line, to talk to a hub,
// and by the hub, to talk to its engine processes. Keeps its connection for the next request. Follows no redirects on its own.
// One thread at a time per Client.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "http/message.h"

namespace lyceum::http {

class AddressGuard;

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";            // escaped path and query
  Headers headers = {};
  std::string body = {};               // or:
  std::filesystem::path body_file = {};  // streamed from disk with Content-Length
  std::function<void(uint64_t sent)> on_sent = {};   // body bytes so far
  // Asked about once a second while waiting for the server; false gives up with Error(unavailable).
  std::function<bool()> keep_waiting = {};
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;                    // empty when a sink took it
};

class Client {
 public:
  // base: "http://127.0.0.1:7860[/prefix]", "https://…" (certificate and name are verified against the system's authorities, or
  // SSL_CERT_FILE's), or "unix:/path/to/socket". timeout_s: longest wait for one read or write. Error(invalid_argument) on another base.
  // guard: for a base that somebody else chose; Error(forbidden) when it leads to an address that the guard refuses. It must outlive the client.
  explicit Client(std::string base, unsigned timeout_s = 120, const AddressGuard* guard = nullptr);
  ~Client();
  // sink, if given, gets body bytes as they come (after the status is known to be 2xx) and returns false to stop. Throws Error(unavailable) when
  // the server cannot be reached or breaks off; a 4xx/5xx is returned, not thrown.
  // on_head, if given, is told of status and headers before the first body byte.
  ClientResponse send(const ClientRequest& request, const std::function<bool(std::string_view)>& sink = {},
                      const std::function<void(const ClientResponse&)>& on_head = {});

  // The same in two steps, for callers that pass the body on as they read it: status and headers first (body empty), then read() until
  // it returns 0. The next request may begin after that; a body left half-read costs the connection.
  ClientResponse begin(const ClientRequest& request);
  size_t read(std::span<std::byte> into);
  void set_keep_waiting(std::function<bool()> keep_waiting);   // for the reads of a body

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lyceum::http
