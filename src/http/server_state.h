// server_state.h: what the server and its connections share. Inside this room only.
#pragma once

#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "http/server.h"
#include "http/tls.h"
#include "http/workers.h"

namespace lyceum::http {

namespace asio = boost::asio;
using Protocol = asio::generic::stream_protocol;
using Socket = asio::basic_stream_socket<Protocol, asio::io_context::executor_type>;
using Acceptor = asio::basic_socket_acceptor<Protocol, asio::io_context::executor_type>;

class Connection;

struct Listener {
  explicit Listener(asio::io_context& io) : acceptor(io), retry(io) {}
  Acceptor acceptor;
  asio::steady_timer retry;
  bool tls = false;
  uint16_t port = 0;
};

struct ServerState {
  ServerState(Router given_router, ServerOptions given_options);

  void bind();
  void begin_accepting();
  void begin_sweeping();
  Response answer(Request& request, const std::string& request_id) const;
  IoLimits io_limits() { return {.timeout_s = options.io_timeout_s, .lowest_rate = options.lowest_rate, .grace_s = 30, .observer = &workers}; }
  void end_request();  // a request, begun by ++busy, is over

  Router router;
  ServerOptions options;
  std::unique_ptr<TlsContext> tls;  // null: no TLS
  std::string local_host;           // "127.0.0.1:7860", for clients that send no Host
  asio::io_context io{1};
  std::vector<std::unique_ptr<Listener>> listeners;
  asio::steady_timer sweep_timer;
  Workers workers;
  std::thread thread;

  std::mutex mutex;
  std::condition_variable all_idle;
  std::unordered_set<Connection*> connections;       // guarded by mutex, as is the next
  std::map<std::string, unsigned> connections_from;  // per remote address
  std::atomic<size_t> busy{0}, answers_waiting{0};
  std::atomic<uint64_t> accepted{0}, refused{0}, cut{0};
  std::atomic<bool> stopping{false};
  bool started = false, stopped = false;

 private:
  void listen(Listener& listener, const Protocol::endpoint& endpoint);
  void listen_tcp(uint16_t port, bool tls_too);
  void listen_unix();
  void accept(Listener& listener);
  void take(Socket socket, bool with_tls);
  bool admit(const std::string& remote);
  void sweep();
};

}  // namespace lyceum::http
