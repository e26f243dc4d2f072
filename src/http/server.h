// server.h: routes and the server that runs them.
//
// Threads: connections idle in asio and hold neither a thread nor a buffer there. Once a request's header is complete its handler runs
// on a worker thread and may block (database, files, hashing, reading the body, streaming), unless ServerOptions::quick has the answer at
// hand; an answer that the client takes slowly goes back to asio and is continued when there is room. Limits: header 64 KiB in 10 s, body per route, connections in all and per address,
// idle and transfer timeouts, and a lowest transfer rate, so that a client that trickles bytes cannot hold anything for ever.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/message.h"
#include "http/path_pattern.h"
#include "http/route_index.h"

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
  RouteIndex index_;
};

// What there is to tell about one request, after its answer has left or failed to.
struct RequestRecord {
  std::string_view method, path, route, remote, request_id;  // path without its query, which may hold signatures; route: a pattern or ""
  int status = 0;              // 0: the client left before an answer
  double seconds = 0;          // from the complete header to the last byte of the answer
  uint64_t bytes_in = 0, bytes_out = 0;
};

struct TlsOptions {
  std::filesystem::path certificate, key;  // PEM; read again when they change
  uint16_t port = 0;                       // 0 = any free port, see Server::tls_port()
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 7860;          // 0 = any free port, see Server::port()
  bool plain_http = true;        // false: TLS only
  std::optional<TlsOptions> tls;
  std::string unix_socket;       // if set, listens there instead (mode 0600)
  std::string public_url;        // fixed base URL; empty = from the request
  unsigned workers = 64;         // handlers running at the same time; those that wait for the network do not count
  unsigned threads_max = 1024;   // handler threads in all
  unsigned connections_max = 16384;
  unsigned connections_per_address_max = 1024;  // loopback is exempt: that is where proxies come from
  unsigned idle_timeout_s = 75;
  unsigned header_timeout_s = 10;  // from the first byte of a header to its end; also for a TLS handshake
  unsigned io_timeout_s = 120;   // one read or write of a body
  uint64_t lowest_rate = 1024;   // bytes a second, once a client has been waited for 30 s in all
  unsigned drain_timeout_s = 5;  // stop() lets requests finish for this long
  uint64_t body_limit_bytes = 1ULL << 40;
  std::function<void(const RequestRecord&)> observe;  // any thread; must not throw
  // Asked first, on the I/O thread, for requests without a body: an answer without a stream, or nullopt for "let a worker find it". It
  // must not block. What it throws counts as nullopt.
  std::function<std::optional<Response>(Request&)> quick;
};

// The answer to an Error: its HTTP status, X-Error-Code (tag), X-Error-Message (one line) and {"error": message}.
Response error_response(const Error& error);

// An Error thrown by a handler becomes its HTTP status with X-Error-Code (tag), X-Error-Message and {"error": message};
// anything else a 500 that is logged with the request id and tells the client nothing more. Every answer carries X-Request-Id.
class Server {
 public:
  struct Figures {
    size_t connections = 0, requests = 0;      // open; being handled or answered
    size_t answers_waiting = 0;                // of those, answers whose client is slow
    size_t threads = 0, running = 0, queued = 0;
    uint64_t accepted = 0, refused = 0, cut = 0;  // since the start; cut: by a timeout or for a low rate
  };

  Server(Router router, ServerOptions options);  // Error(invalid_argument) if the TLS files cannot be used
  ~Server();                     // stops
  void start();                  // ignores SIGPIPE in this process, binds and returns; throws Error(unavailable) naming the address if it is taken
  uint16_t port() const;         // 0 without a plain listener
  uint16_t tls_port() const;     // 0 without TLS
  void reload_tls();             // Error(invalid_argument): the old certificate stays in use
  int64_t tls_expiry_ms() const; // of the certificate in use; 0 without TLS
  Figures figures() const;
  void stop();                   // stops accepting, lets requests finish (drain_timeout_s), then cuts; any thread; idempotent

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lyceum::http
