// The server. One thread waits for connections and request headers in asio; each complete header becomes one piece of work for a
// handler thread, which reads the body, runs the handler and writes the answer with blocking calls on the same socket, and then gives
// the connection back. So thousands of idle keep-alive connections cost no thread, and handlers are plain blocking code.
#include "http/server.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <csignal>
#include <thread>
#include <unordered_set>

#include "base/clock.h"
#include "base/log.h"
#include "http/beast_stream.h"
#include "http/gzip_body.h"
#include "http/request_head.h"
#include "http/response_writer.h"
#include "http/workers.h"

namespace lyceum::http {
namespace {

using Protocol = asio::generic::stream_protocol;
using Socket = asio::basic_stream_socket<Protocol, asio::io_context::executor_type>;
using Stream = beast::basic_stream<Protocol, asio::io_context::executor_type>;
using Acceptor = asio::basic_socket_acceptor<Protocol, asio::io_context::executor_type>;
using Parser = beast::http::request_parser<beast::http::buffer_body>;

constexpr uint32_t kHeaderLimit = 64u << 10;
constexpr uint64_t kDrainKeepAlive = 8u << 20;   // a body that the handler left unread is swallowed up to here, to keep the connection
constexpr uint64_t kDrainClosing = 256u << 20;   // and up to here before closing, so that the client gets to read the answer
constexpr double kDrainClosingSeconds = 20;
constexpr uint64_t kLowestRate = 256;            // bytes a second

// Bytes of a connection: first what was read along with the header, then the socket.
struct ConnectionSource {
  beast::flat_buffer& buffer;
  SocketIo& io;

  size_t read_some(std::span<std::byte> into) {
    if (buffer.size() == 0) return io.read_some(into);
    const size_t count = std::min(into.size(), buffer.size());
    std::memcpy(into.data(), buffer.data().data(), count);
    buffer.consume(count);
    return count;
  }
};

// The body of one request. Content-Length bodies go from the socket into the caller's memory; chunked ones through Beast's parser.
class RequestBody final : public BodyStream {
 public:
  RequestBody(Parser& parser, beast::flat_buffer& buffer, SocketIo& io, uint64_t limit_bytes)
      : parser_(parser), buffer_(buffer), io_(io), limit_bytes_(limit_bytes) {
    const auto& message = parser.get();
    const auto coding = message[beast::http::field::transfer_encoding];
    chunked_ = !coding.empty();
    if (chunked_ && !equal_no_case({coding.data(), coding.size()}, "chunked")) throw Error(Code::unsupported, "Transfer-Encoding other than chunked is not supported");
    if (chunked_ && message.count(beast::http::field::content_length) > 0) throw Error(Code::invalid_argument, "Content-Length and Transfer-Encoding contradict each other");
    if (!chunked_) remaining_ = length_ = parser.content_length().value_or(0);
    const auto expect = message[beast::http::field::expect];
    awaits_continue_ = message.version() == 11 && has_token({expect.data(), expect.size()}, "100-continue");
  }

  std::optional<uint64_t> length() const override { return chunked_ ? std::nullopt : std::optional(length_); }

  size_t read(std::span<std::byte> into) override {
    if (ended() || into.empty()) return 0;
    if (!chunked_ && length_ > limit_bytes_) refuse_length();
    if (awaits_continue_) {
      awaits_continue_ = false;
      if (buffer_.size() == 0) io_.write_all("HTTP/1.1 100 Continue\r\n\r\n");
    }
    return chunked_ ? read_chunked(into) : read_plain(into);
  }

  bool ended() const { return chunked_ ? parser_.is_done() : remaining_ == 0; }
  // The client waits for our word before it sends: it may or may not do so after a final answer, so the connection cannot go on.
  bool awaits_continue() const { return awaits_continue_ && !ended(); }
  bool worth_draining() const { return !awaits_continue() && (chunked_ || remaining_ <= kDrainKeepAlive); }

  // Swallows what is left. False: over the limit, or broken.
  bool drain(uint64_t limit_bytes, double seconds) noexcept {
    try {
      std::array<std::byte, 32768> scratch;
      const double begin = monotonic_seconds();
      for (uint64_t swallowed = 0; !ended();) {
        if (swallowed > limit_bytes || monotonic_seconds() - begin > seconds) return false;
        swallowed += chunked_ ? read_chunked(scratch) : read_plain(scratch);
      }
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

 private:
  [[noreturn]] void refuse_length() const { throw Error(Code::too_large, "The request body is over the server's limit of " + std::to_string(limit_bytes_) + " bytes"); }

  size_t read_plain(std::span<std::byte> into) {
    ConnectionSource source{buffer_, io_};
    const size_t got = source.read_some(into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), remaining_))));
    if (got == 0) throw Error(Code::invalid_argument, "The request body ended " + std::to_string(remaining_) + " bytes early");
    remaining_ -= got;
    return got;
  }

  size_t read_chunked(std::span<std::byte> into) {
    const size_t got = read_framed_body(io_, buffer_, parser_, into);
    received_ += got;
    if (received_ > limit_bytes_) refuse_length();
    return got;
  }

  Parser& parser_;
  beast::flat_buffer& buffer_;
  SocketIo& io_;
  uint64_t limit_bytes_;
  bool chunked_ = false;
  bool awaits_continue_ = false;
  uint64_t length_ = 0, remaining_ = 0, received_ = 0;
};

std::string peer_name(Socket& socket) {
  beast::error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error || endpoint.protocol().family() == AF_UNIX) return "unix";
  asio::ip::tcp::endpoint tcp;
  tcp.resize(endpoint.size());
  std::memcpy(tcp.data(), endpoint.data(), endpoint.size());
  const auto address = tcp.address();
  return (address.is_v6() && address.to_v6().is_v4_mapped() ? asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string() : address.to_string());
}

class Connection;

struct ServerState {
  ServerState(Router given_router, ServerOptions given_options)
      : router(std::move(given_router)), options(std::move(given_options)), acceptor(io), retry(io), workers(options.workers) {}

  void bind();
  void accept();
  void take(Socket socket);
  Response answer(Request& request, const std::string& request_id) const;

  Router router;
  ServerOptions options;
  std::string local_host;  // "127.0.0.1:7860", for clients that send no Host
  uint16_t port = 0;
  asio::io_context io{1};
  Acceptor acceptor;
  asio::steady_timer retry;
  Workers workers;
  std::thread thread;
  std::mutex mutex;
  std::condition_variable all_idle;
  std::unordered_set<Connection*> connections;  // guarded by mutex, as is `busy`
  size_t busy = 0;                              // connections in a handler
  std::atomic<bool> stopping{false};
  bool started = false, stopped = false;
};

// Owned by the operation under way: an asynchronous read, or a piece of work. Only one of them at a time touches it.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(ServerState& server, Socket socket) : server_(server), stream_(std::move(socket)), remote_(peer_name(stream_.socket())) {
    const std::lock_guard lock(server_.mutex);
    server_.connections.insert(this);
  }
  ~Connection() {
    const std::lock_guard lock(server_.mutex);
    server_.connections.erase(this);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void read_header();                              // I/O thread
  void cancel() { stream_.cancel(); }              // I/O thread
  void cut() { ::shutdown(stream_.socket().native_handle(), SHUT_RDWR); }  // any thread, while the server's mutex is held

 private:
  void on_header(beast::error_code error);
  void serve() noexcept;
  bool serve_request(SocketIo& io);
  void refuse_header(beast::error_code error) noexcept;
  Request make_request() const;
  bool finish(SocketIo& io, RequestBody& body, const Response& response, WriteOptions options);

  ServerState& server_;
  Stream stream_;
  beast::flat_buffer buffer_{1u << 20};
  std::optional<Parser> parser_;
  std::string remote_;
};

void Connection::read_header() {
  if (server_.stopping) return;
  parser_.emplace();
  parser_->header_limit(kHeaderLimit);
  parser_->body_limit(boost::none);
  stream_.expires_after(std::chrono::seconds(server_.options.idle_timeout_s));
  beast::http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](beast::error_code error, size_t) { self->on_header(error); });
}

void Connection::on_header(beast::error_code error) {
  const bool broken = error && error.category() == asio::error::get_system_category();
  if (broken || error == beast::http::error::end_of_stream || error == beast::error::timeout ||
      error == asio::error::eof || server_.stopping) {
    return;  // closed, idle for too long, or we are closing
  }
  {
    const std::lock_guard lock(server_.mutex);
    ++server_.busy;
  }
  server_.workers.post([self = shared_from_this(), error] {
    if (error) {
      self->refuse_header(error);
    } else {
      self->serve();
    }
    const std::lock_guard lock(self->server_.mutex);
    if (--self->server_.busy == 0) self->server_.all_idle.notify_all();
  });
}

void Connection::refuse_header(beast::error_code error) noexcept {
  try {
    SocketIo io(stream_.socket().native_handle(), 5);
    const bool too_long = error == beast::http::error::header_limit || error == beast::http::error::buffer_overflow;
    Response response = error_response(Error(Code::invalid_argument, too_long ? "The request header is over 64 KiB" : "Not a well-formed HTTP/1.1 request: " + error.message()));
    if (too_long) response.status = 431;
    bool started = false;
    write_response(io, response, {.keep_alive = false, .request_id = request_id_of({})}, started);
    ::shutdown(stream_.socket().native_handle(), SHUT_WR);
    std::array<std::byte, 16384> scratch;
    for (int i = 0; i < 64 && io.read_some(scratch) > 0; ++i) {
    }
  } catch (const std::exception&) {
    return;  // it has gone: nobody is left to tell
  }
}

void Connection::serve() noexcept {
  try {
    SocketIo io(stream_.socket().native_handle(), server_.options.io_timeout_s, kLowestRate);
    if (!serve_request(io) || server_.stopping) return cut();
    asio::post(server_.io, [self = shared_from_this()] { self->read_header(); });
  } catch (const std::exception& error) {
    log::debug("connection from {} ended: {}", remote_, error.what());
    cut();
  }
}

Request Connection::make_request() const {
  const auto& message = parser_->get();
  Request request;
  request.method = std::string(message.method_string().data(), message.method_string().size());
  request.headers = copy_headers(message);
  request.remote = remote_;
  request.base_url = base_url_of(request.headers, server_.options.public_url, server_.local_host);
  return request;
}

bool Connection::serve_request(SocketIo& io) {
  const double begin = monotonic_seconds();
  const auto& message = parser_->get();
  Request request = make_request();
  WriteOptions options{.head = request.method == "HEAD", .http11 = message.version() >= 11, .keep_alive = message.keep_alive(), .request_id = request_id_of(request.headers)};
  std::optional<RequestBody> body;
  std::unique_ptr<BodyStream> inflated;
  Response response;
  try {
    body.emplace(*parser_, buffer_, io, server_.options.body_limit_bytes);
    request.body = &*body;
    request.client_gone = [&io] { return io.peer_gone(); };
    const std::string_view coding = request.headers.find("Content-Encoding").value_or("identity");
    if (equal_no_case(coding, "gzip") || equal_no_case(coding, "x-gzip")) {
      inflated = inflate_body(*body, server_.options.body_limit_bytes);
      request.body = inflated.get();
    }
    set_target(request, std::string_view(message.target().data(), message.target().size()));
    response = server_.answer(request, options.request_id);
  } catch (const Error& error) {
    response = error_response(error);
  }
  if (!body) {  // its framing is not to be trusted, so neither is what follows
    options.keep_alive = false;
    bool started = false;
    return write_response(io, response, options, started);
  }
  if (server_.stopping) options.keep_alive = false;
  const bool keep = finish(io, *body, response, options);
  log::debug("{} {} {} {} {:.1f} ms {}", remote_, request.method, request.path, response.status, (monotonic_seconds() - begin) * 1e3, options.request_id);
  return keep;
}

// Writes the answer and deals with what the handler left unread of the body.
bool Connection::finish(SocketIo& io, RequestBody& body, const Response& response, WriteOptions options) {
  if (!body.ended() && !body.worth_draining()) options.keep_alive = false;
  bool started = false;
  bool keep = false;
  try {
    keep = write_response(io, response, options, started);
  } catch (const std::exception& error) {
    if (started) throw;
    log::error("request {}: {}", options.request_id, error.what());
    keep = write_response(io, error_response(Error(Code::internal, "The content could not be read; the server's log has request " + options.request_id)), options, started);
  }
  if (body.ended()) return keep;
  if (keep) return body.drain(kDrainKeepAlive, server_.options.io_timeout_s);
  // Closing with unread bytes makes the kernel send a reset that can overtake the answer: say that we are done, and swallow first.
  ::shutdown(stream_.socket().native_handle(), SHUT_WR);
  body.drain(kDrainClosing, kDrainClosingSeconds);
  return false;
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

void ServerState::bind() {
  const std::string where = options.unix_socket.empty() ? options.address + ":" + std::to_string(options.port) : options.unix_socket;
  try {
    if (!options.unix_socket.empty()) {
      const Protocol::endpoint endpoint{asio::local::stream_protocol::endpoint(options.unix_socket)};
      ::unlink(options.unix_socket.c_str());
      acceptor.open(endpoint.protocol());
      const mode_t mask = ::umask(0177);
      beast::error_code error;
      acceptor.bind(endpoint, error);
      ::umask(mask);
      if (error) throw beast::system_error(error);
      local_host = "localhost";
    } else {
      const asio::ip::tcp::endpoint tcp(asio::ip::make_address(options.address), options.port);
      acceptor.open(Protocol(tcp.protocol()));
      acceptor.set_option(asio::socket_base::reuse_address(true));
      acceptor.bind(Protocol::endpoint(tcp));
      asio::ip::tcp::endpoint bound;
      std::memcpy(bound.data(), acceptor.local_endpoint().data(), std::min(bound.capacity(), acceptor.local_endpoint().size()));
      port = bound.port();
      local_host = (tcp.address().is_v6() ? "[" + options.address + "]" : options.address) + ":" + std::to_string(port);
    }
    acceptor.listen(asio::socket_base::max_listen_connections);
  } catch (const beast::system_error& error) {
    throw Error(Code::unavailable, "Cannot listen on " + where + ": " + error.code().message());
  }
}

void ServerState::accept() {
  acceptor.async_accept(io, [this](beast::error_code error, Socket socket) {
    if (stopping || error == asio::error::operation_aborted) return;
    if (!error) {
      take(std::move(socket));
      return accept();
    }
    log::warn("cannot accept a connection: {}", error.message());  // most likely out of file descriptors
    retry.expires_after(std::chrono::milliseconds(100));
    retry.async_wait([this](beast::error_code cancelled) {
      if (!cancelled) accept();
    });
  });
}

void ServerState::take(Socket socket) {
  beast::error_code error;
  socket.native_non_blocking(true, error);
  if (error) return;
  if (options.unix_socket.empty()) {
    const int on = 1;
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  size_t count = 0;
  {
    const std::lock_guard lock(mutex);
    count = connections.size();
  }
  if (count >= options.connections_max) {
    constexpr std::string_view text = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n";
    ::send(socket.native_handle(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return;
  }
  std::make_shared<Connection>(*this, std::move(socket))->read_header();
}

}  // namespace

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
  state_->accept();
  state_->thread = std::thread([this] { state_->io.run(); });
}

uint16_t Server::port() const { return state_->port; }

void Server::stop() {
  State& state = *state_;
  {
    const std::lock_guard lock(state.mutex);
    if (!state.started || state.stopped) return;
    state.stopped = true;
  }
  state.stopping = true;
  asio::post(state.io, [&state] {
    beast::error_code ignored;
    state.acceptor.close(ignored);
    state.retry.cancel();
    const std::lock_guard lock(state.mutex);
    for (Connection* connection : state.connections) connection->cancel();
  });
  {
    std::unique_lock lock(state.mutex);
    if (!state.all_idle.wait_for(lock, std::chrono::seconds(5), [&state] { return state.busy == 0; })) {
      for (Connection* connection : state.connections) connection->cut();
    }
  }
  state.workers.stop();
  state.thread.join();
  state.io.restart();
  state.io.poll();  // connections that a handler gave back last: they read, find that we are stopping, and die here
  if (!state.options.unix_socket.empty()) ::unlink(state.options.unix_socket.c_str());
}

}  // namespace lyceum::http
