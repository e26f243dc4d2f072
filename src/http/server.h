// server.h: routes and the server that runs them.
//
// Threads: connections idle in asio; once a request's header is complete its handler runs on a worker thread and may
// block (database, files, hashing, streaming). Limits: header 64 KiB, body per route, connections, idle and read timeouts,
// and a lowest transfer rate, so that a client that trickles bytes cannot hold a worker for ever.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/message.h"
#include "http/path_pattern.h"

namespace lyceum::http {

using Handler = std::function<Response(Request&)>;

// pattern: segments separated by '/'. "{name}" matches one escaped segment; "{name*}" (last only) matches the rest, slashes
// included (nothing, too, if the path ends with the slash before it); a segment may have literal text round its parameters
// ("{name}.git", "{base}...{head}"). Matching is on the escaped path; each parameter is decoded once. A literal segment beats a
// parameter; the earlier route wins a tie. method "*" matches any. A path that matches nothing is tried again without its final slash.
struct Route {
  std::string method;
  std::string pattern;
  Handler handler;
};

class Router {
 public:
  void add(Route route);        // a malformed pattern is our bug
  Response dispatch(Request& request) const;  // 404/405 as JSON {"error":…}; HEAD falls back to GET
  const std::vector<Route>& routes() const noexcept { return routes_; }

 private:
  struct Match;
  std::optional<Match> find_match(const std::string& method, std::string_view path, std::string& allowed) const;

  std::vector<Route> routes_;
  std::vector<PathPattern> patterns_;
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 7860;          // 0 = any free port, see Server::port()
  std::string unix_socket;       // if set, listens there instead (mode 0600)
  std::string public_url;        // fixed base URL; empty = from the request
  unsigned workers = 64;         // handler threads at most
  unsigned connections_max = 4096;
  unsigned idle_timeout_s = 75;
  unsigned io_timeout_s = 120;   // one read or write of a body
  uint64_t body_limit_bytes = 1ULL << 40;
};

// The answer to an Error: its HTTP status, X-Error-Code (tag), X-Error-Message (one line) and {"error": message}.
Response error_response(const Error& error);

// An Error thrown by a handler becomes its HTTP status with X-Error-Code (tag), X-Error-Message and {"error": message};
// anything else a 500 that is logged with the request id and tells the client nothing more. Every answer carries X-Request-Id.
class Server {
 public:
  Server(Router router, ServerOptions options);
  ~Server();                     // stops
  void start();                  // ignores SIGPIPE in this process, binds and returns; throws Error(unavailable) naming the address if it is taken
  uint16_t port() const;
  void stop();                   // stops accepting, lets handlers finish for up to 5 s, then cuts; any thread; idempotent

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lyceum::http
