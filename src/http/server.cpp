// The server: listeners, admission, the sweep that ends what is overdue, start and stop. connection.cpp has the life of one client.
#include "http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <csignal>
#include <cstring>

#include "base/clock.h"
#include "base/log.h"
#include "http/connection.h"

namespace lyceum::http {
namespace {

constexpr auto kSweepInterval = std::chrono::seconds(1);

std::string peer_name(Socket& socket) {
  boost::system::error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error || endpoint.protocol().family() == AF_UNIX) return "unix";
  asio::ip::tcp::endpoint tcp;
  tcp.resize(endpoint.size());
  std::memcpy(tcp.data(), endpoint.data(), endpoint.size());
  const auto address = tcp.address();
  return (address.is_v6() && address.to_v6().is_v4_mapped() ? asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string() : address.to_string());
}

bool is_exempt(const std::string& remote) { return remote == "unix" || remote == "::1" || remote.starts_with("127."); }

}  // namespace

ServerState::ServerState(Router given_router, ServerOptions given_options)
    : router(std::move(given_router)), options(std::move(given_options)), sweep_timer(io), workers(options.workers, options.threads_max) {
  if (options.tls) tls = std::make_unique<TlsContext>(options.tls->certificate, options.tls->key);
}

Response ServerState::answer(Request& request, const std::string& request_id) const {
  try {
    return router.dispatch(request);
  } catch (const Error& error) {
    if (http_status(error.code()) >= 500) log::error("request {} {} {}: {}", request_id, request.method, request.path, error.what());
    return error_response(error);
  } catch (const std::exception& error) {
    log::error("request {} {} {}: {}", request_id, request.method, request.path, error.what());
    return error_response(Error(Code::internal, "Internal error; the server's log has request " + request_id));
  }
}

void ServerState::end_request() {
  if (--busy > 0 || !stopping) return;  // stop() looks at `busy` after it has set `stopping`
  const std::lock_guard lock(mutex);  // so that a waiter between its look and its sleep does not miss this
  all_idle.notify_all();
}

void ServerState::bind() {
  if (!options.unix_socket.empty()) return listen_unix();
  if (options.plain_http || !options.tls) listen_tcp(options.port, false);
  if (options.tls) listen_tcp(options.tls->port, true);
}

void ServerState::listen(Listener& listener, const Protocol::endpoint& endpoint) {
  listener.acceptor.open(endpoint.protocol());
  if (options.unix_socket.empty()) listener.acceptor.set_option(asio::socket_base::reuse_address(true));
  listener.acceptor.bind(endpoint);
  listener.acceptor.listen(asio::socket_base::max_listen_connections);
}

void ServerState::listen_tcp(uint16_t port, bool tls_too) {
  auto listener = std::make_unique<Listener>(io);
  listener->tls = tls_too;
  try {
    const asio::ip::tcp::endpoint tcp(asio::ip::make_address(options.address), port);
    listen(*listener, Protocol::endpoint(tcp));
    asio::ip::tcp::endpoint bound;
    const auto local = listener->acceptor.local_endpoint();
    std::memcpy(bound.data(), local.data(), std::min(bound.capacity(), local.size()));
    listener->port = bound.port();
    if (local_host.empty()) local_host = (tcp.address().is_v6() ? "[" + options.address + "]" : options.address) + ":" + std::to_string(listener->port);
  } catch (const boost::system::system_error& error) {
    throw Error(Code::unavailable, "Cannot listen on " + options.address + ":" + std::to_string(port) + ": " + error.code().message());
  }
  listeners.push_back(std::move(listener));
}

void ServerState::listen_unix() {
  auto listener = std::make_unique<Listener>(io);
  ::unlink(options.unix_socket.c_str());
  const mode_t mask = ::umask(0177);
  try {
    listen(*listener, Protocol::endpoint(asio::local::stream_protocol::endpoint(options.unix_socket)));
  } catch (const boost::system::system_error& error) {
    ::umask(mask);
    throw Error(Code::unavailable, "Cannot listen on " + options.unix_socket + ": " + error.code().message());
  }
  ::umask(mask);
  local_host = "localhost";
  listeners.push_back(std::move(listener));
}

void ServerState::begin_accepting() {
  for (const auto& listener : listeners) accept(*listener);
}

void ServerState::accept(Listener& listener) {
  listener.acceptor.async_accept(io, [this, &listener](boost::system::error_code error, Socket socket) {
    if (stopping || error == asio::error::operation_aborted) return;
    if (!error) {
      take(std::move(socket), listener.tls);
      return accept(listener);
    }
    log::warn("cannot accept a connection: {}", error.message());  // most likely out of file descriptors
    listener.retry.expires_after(std::chrono::milliseconds(100));
    listener.retry.async_wait([this, &listener](boost::system::error_code cancelled) {
      if (!cancelled) accept(listener);
    });
  });
}

// Counts the connection in, unless there are too many.
bool ServerState::admit(const std::string& remote) {
  const std::lock_guard lock(mutex);
  if (connections.size() >= options.connections_max) return false;
  unsigned& from = connections_from[remote];
  if (from >= options.connections_per_address_max && !is_exempt(remote)) return false;
  ++from;
  return true;
}

void ServerState::take(Socket socket, bool with_tls) {
  boost::system::error_code error;
  socket.native_non_blocking(true, error);
  if (error) return;
  if (options.unix_socket.empty()) {
    const int on = 1;
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  std::string remote = peer_name(socket);
  if (!admit(remote)) {
    ++refused;
    constexpr std::string_view text = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n";
    if (!with_tls) ::send(socket.native_handle(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return;
  }
  ++accepted;
  try {
    std::make_shared<Connection>(*this, std::move(socket), std::move(remote), with_tls)->start();
  } catch (const Error& failed) {
    log::warn("cannot serve a connection: {}", failed.what());
  }
}

// One timer for all connections: ten thousand of their own would cost more than a look at each once a second.
void ServerState::begin_sweeping() {
  sweep_timer.expires_after(kSweepInterval);
  sweep_timer.async_wait([this](boost::system::error_code cancelled) {
    if (cancelled || stopping) return;
    sweep();
    begin_sweeping();
  });
}

void ServerState::sweep() {
  const double now = monotonic_seconds();
  {
    const std::lock_guard lock(mutex);
    for (Connection* connection : connections) {
      if (!connection->overdue(now)) continue;
      connection->cut();
      ++cut;
    }
  }
  if (!tls || !tls->files_changed()) return;
  try {
    tls->reload();
    log::info("TLS certificate read again");
  } catch (const Error& error) {
    log::error("the TLS certificate has changed but cannot be used, the old one stays in use: {}", error.what());
  }
}

struct Server::State : ServerState {
  using ServerState::ServerState;
};

Server::Server(Router router, ServerOptions options) : state_(std::make_unique<State>(std::move(router), std::move(options))) {}

Server::~Server() { stop(); }

void Server::start() {
  LYCEUM_CHECK(!state_->started, "a server starts once");
  std::signal(SIGPIPE, SIG_IGN);  // sendfile(2) has no MSG_NOSIGNAL
  state_->bind();
  state_->started = true;
  state_->begin_accepting();
  state_->begin_sweeping();
  state_->thread = std::thread([this] { state_->io.run(); });
}

uint16_t Server::port() const {
  for (const auto& listener : state_->listeners)
    if (!listener->tls) return listener->port;
  return 0;
}

uint16_t Server::tls_port() const {
  for (const auto& listener : state_->listeners)
    if (listener->tls) return listener->port;
  return 0;
}

void Server::reload_tls() {
  if (state_->tls) state_->tls->reload();
}

int64_t Server::tls_expiry_ms() const { return state_->tls ? state_->tls->expiry_ms() : 0; }

Server::Figures Server::figures() const {
  State& state = *state_;
  const Workers::Figures workers = state.workers.figures();
  Figures out{.requests = state.busy, .answers_waiting = state.answers_waiting, .threads = workers.threads, .running = workers.running, .queued = workers.queued,
              .accepted = state.accepted, .refused = state.refused, .cut = state.cut};
  const std::lock_guard lock(state.mutex);
  out.connections = state.connections.size();
  return out;
}

void Server::stop() {
  State& state = *state_;
  {
    const std::lock_guard lock(state.mutex);
    if (!state.started || state.stopped) return;
    state.stopped = true;
  }
  state.stopping = true;
  asio::post(state.io, [&state] {
    boost::system::error_code ignored;
    for (const auto& listener : state.listeners) {
      listener->acceptor.close(ignored);
      listener->retry.cancel();
    }
    state.sweep_timer.cancel();
    const std::lock_guard lock(state.mutex);
    for (Connection* connection : state.connections)
      if (connection->idle()) connection->cut();
  });
  {
    std::unique_lock lock(state.mutex);
    state.all_idle.wait_for(lock, std::chrono::seconds(state.options.drain_timeout_s), [&state] { return state.busy == 0; });
    for (Connection* connection : state.connections) connection->cut();
    state.all_idle.wait_for(lock, std::chrono::seconds(5), [&state] { return state.busy == 0; });
  }
  state.workers.stop();
  state.thread.join();
  state.io.restart();
  state.io.poll();  // connections that a handler gave back last: they find that we are stopping, and die here
  if (!state.options.unix_socket.empty()) ::unlink(state.options.unix_socket.c_str());
}

}  // namespace lyceum::http
