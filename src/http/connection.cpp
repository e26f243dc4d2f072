#include "http/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "base/clock.h"
#include "base/log.h"
#include "http/gzip_body.h"
#include "http/head_check.h"
#include "http/request_head.h"

namespace lyceum::http {
namespace {

constexpr double kSendPatienceSeconds = 0.05;  // a worker waits this long for a client before it leaves the answer to asio
constexpr int kQuickAnswersMax = 16;
constexpr double kForever = 1e300;

}  // namespace

Connection::Connection(ServerState& server, Socket socket, std::string remote, bool with_tls)
    : server_(server), socket_(std::move(socket)), fd_(socket_.native_handle()), remote_(std::move(remote)), secure_(with_tls), phase_(with_tls ? Phase::handshake : Phase::head) {
  if (with_tls) io_ = std::make_unique<TlsIo>(fd_, server_.io_limits(), *server_.tls);
  else io_ = std::make_unique<SocketIo>(fd_, server_.io_limits());
  const std::lock_guard lock(server_.mutex);
  server_.connections.insert(this);
}

Connection::~Connection() {
  {
    const std::lock_guard lock(server_.mutex);
    server_.connections.erase(this);
    const auto from = server_.connections_from.find(remote_);
    if (from != server_.connections_from.end() && --from->second == 0) server_.connections_from.erase(from);
  }
  if (!socket_.is_open()) ::close(fd_);
}

void Connection::cut() noexcept { ::shutdown(fd_, SHUT_RDWR); }

// A parked answer is judged by what its client has confirmed, so that large socket buffers do not pass for progress, nor small reads
// out of them for none.
bool Connection::overdue(double now_s) const noexcept {
  if (now_s > deadline_s_) return true;
  if (phase_ != Phase::sending || server_.options.lowest_rate == 0) return false;
  const double waited = parked_s_ + (now_s - parked_since_s_);
  if (waited < 30) return false;
  const uint64_t unsent = io_->unsent_bytes(), sent = sent_;
  return static_cast<double>(sent > unsent ? sent - unsent : 0) < waited * static_cast<double>(server_.options.lowest_rate);
}

void Connection::wait_for(short events, unsigned seconds) {
  if (server_.stopping && phase_ != Phase::sending) return;
  deadline_s_ = monotonic_seconds() + seconds;
  io_->set_low_water(1);
  if (!socket_.is_open()) socket_.assign(Protocol(server_.options.unix_socket.empty() ? AF_INET : AF_UNIX, 0), fd_);
  socket_.async_wait(events == POLLIN ? Socket::wait_read : Socket::wait_write, [self = shared_from_this()](boost::system::error_code error) { self->on_event(bool(error)); });
}

// While a worker reads a large body, the I/O thread must not be woken for every packet of it. wait_for() goes back.
void Connection::leave_reactor() {
  constexpr uint64_t kLargeBodyBytes = 1u << 20;
  if (exchange_->body.length().value_or(0) < kLargeBodyBytes || !socket_.is_open()) return;
  boost::system::error_code ignored;  // then it stays where it is
  socket_.release(ignored);
}

// I/O thread: something can be read or written, or waiting was called off.
void Connection::on_event(bool failed) noexcept {
  try {
    if (phase_ == Phase::sending) {
      const bool overtime = monotonic_seconds() > deadline_s_;
      deadline_s_ = kForever;
      --server_.answers_waiting;
      parked_s_ += monotonic_seconds() - parked_since_s_;
      phase_ = Phase::busy;
      if (failed || overtime) cut();  // the worker finds out, and ends the request in order
      return server_.workers.post([self = shared_from_this()] { self->work(); });
    }
    if (failed || server_.stopping) return;
    if (phase_ == Phase::handshake) {
      if (head_began_s_ == 0) head_began_s_ = monotonic_seconds();
      if (const short events = static_cast<TlsIo&>(*io_).try_handshake()) {
        const double left = server_.options.header_timeout_s - (monotonic_seconds() - head_began_s_);
        return wait_for(events, left > 0 ? static_cast<unsigned>(left) + 1 : 0);
      }
      phase_ = Phase::head;
    }
    // A client that has sent many requests at once does not keep the others waiting.
    for (int served = 0; fill() == Fill::complete; ++served) {
      if (served == kQuickAnswersMax || !answer_quickly()) return dispatch();
      if (phase_ != Phase::head) return;
    }
  } catch (const std::exception& error) {
    log::debug("connection from {} ended: {}", remote_, error.what());
  }
}

// Reads what is there. Blocked: has asked to be woken. The head's clock runs from its first byte.
Connection::Fill Connection::fill() {
  try {
    while (!find_head_end()) {
      const auto space = buffer_.prepare(buffer_.size() < 2048 ? 2048 : 16384);
      const SocketIo::Attempt attempt = io_->try_read({static_cast<std::byte*>(space.data()), space.size()});
      buffer_.commit(attempt.count);
      if (attempt.count > 0) continue;
      if (attempt.blocked_on == 0) {
        if (buffer_.size() == 0) return Fill::closed;
        throw Error(Code::invalid_argument, "Not a well-formed HTTP/1.1 request: it ends within its header");
      }
      if (buffer_.size() == 0) {
        buffer_ = beast::flat_buffer(1u << 20);  // an idle connection holds no memory
        head_began_s_ = 0;
        wait_for(attempt.blocked_on, server_.options.idle_timeout_s);
        return Fill::blocked;
      }
      if (head_began_s_ == 0) head_began_s_ = monotonic_seconds();
      const double left = std::min(server_.options.header_timeout_s, server_.options.idle_timeout_s) - (monotonic_seconds() - head_began_s_);
      wait_for(attempt.blocked_on, left > 0 ? static_cast<unsigned>(left + 0.999) : 0);
      return Fill::blocked;
    }
    parser_.emplace();
    check_head({static_cast<const char*>(buffer_.data().data()), head_bytes_});
    parse_head(*parser_, buffer_, head_bytes_);
  } catch (const Error& error) {
    if (error.code() == Code::unavailable) throw;
    head_error_ = error;
  }
  return Fill::complete;
}

bool Connection::find_head_end() {
  while (scanned_ == 0 && buffer_.size() >= 2 && std::string_view(static_cast<const char*>(buffer_.data().data()), 2) == "\r\n") buffer_.consume(2);  // RFC 9112, 2.2
  const std::string_view bytes(static_cast<const char*>(buffer_.data().data()), buffer_.size());
  const size_t end = bytes.find("\r\n\r\n", scanned_ > 3 ? scanned_ - 3 : 0);
  const bool complete = end != std::string_view::npos && end + 4 <= kHeadBytesMax;
  if (!complete) {
    if (bytes != "\r") check_head_so_far(bytes, scanned_);
    scanned_ = bytes.size();
    return false;
  }
  head_bytes_ = end + 4;
  scanned_ = 0;
  head_began_s_ = 0;
  return true;
}

// True: answered here, and phase_ says what is next: another request (head), the rest when there is room (sending), or the end (busy).
bool Connection::answer_quickly() {
  if (!server_.options.quick || head_error_) return false;
  begin_exchange();
  if (!find_quick_answer()) return false;
  deadline_s_ = kForever;
  phase_ = Phase::busy;
  ++server_.busy;
  bool go_on = false;
  try {
    if (const short events = exchange_->outgoing->send_some(*io_)) {
      park(events);
      return true;
    }
    go_on = end_exchange() && !server_.stopping;
  } catch (const std::exception& error) {
    log::debug("connection from {} ended: {}", remote_, error.what());
    if (exchange_) record(exchange_->outgoing->status());
    exchange_.reset();
  }
  server_.end_request();
  if (go_on) phase_ = Phase::head;
  else cut();
  return true;
}

// Without a body, or with one that came along with the head, nothing here waits for the client.
bool Connection::find_quick_answer() {
  Exchange& exchange = *exchange_;
  if (!exchange.body.ended()) return false;
  try {
    const auto target = parser_->get().target();
    set_target(exchange.request, std::string_view(target.data(), target.size()));
    auto response = server_.options.quick(exchange.request);
    if (!response) return false;
    if (server_.stopping) exchange.options.keep_alive = false;
    exchange.outgoing.emplace(std::move(*response), exchange.options);
    return true;
  } catch (const std::exception&) {
    return false;  // a worker meets the same and answers it
  }
}

void Connection::dispatch() {
  deadline_s_ = kForever;
  phase_ = Phase::busy;
  ++server_.busy;
  server_.workers.post([self = shared_from_this()] { self->work(); });
}

// A worker's turn: a new request, or an answer with room again; then, if the next request is there already, that one too.
void Connection::work() noexcept {
  try {
    Turn turn = serve();
    while (turn == Turn::again) {
      server_.end_request();
      phase_ = Phase::head;
      if (server_.stopping) return cut();
      if (fill() != Fill::complete) return;  // asio has the connection, or it is closed
      phase_ = Phase::busy;
      deadline_s_ = kForever;
      ++server_.busy;
      turn = serve();
    }
    if (turn == Turn::left) return;
  } catch (const std::exception& error) {
    log::debug("connection from {} ended: {}", remote_, error.what());
    if (exchange_) record(exchange_->outgoing ? exchange_->outgoing->status() : 0);
  }
  exchange_.reset();
  if (phase_ == Phase::busy) server_.end_request();
  cut();
}

Connection::Turn Connection::serve() {
  if (head_error_) {
    refuse(*head_error_);
    return Turn::close;
  }
  if (!exchange_) begin_exchange();
  if (!exchange_->outgoing) {
    leave_reactor();
    run_handler();
  }
  if (!send_answer()) return Turn::left;
  return end_exchange() ? Turn::again : Turn::close;
}

void Connection::begin_exchange() {
  exchange_ = std::make_unique<Exchange>(*this);
  exchange_->begin_s = monotonic_seconds();
  sent_ = 0;
  parked_s_ = 0;
  const auto& message = parser_->get();
  Request& request = exchange_->request;
  request.method = std::string(message.method_string().data(), message.method_string().size());
  request.headers = copy_headers(message);
  request.remote = remote_;
  request.base_url = base_url_of(request.headers, server_.options.public_url, server_.local_host, secure_);
  request.request_id = request_id_of(request.headers);
  request.body = &exchange_->body;
  request.client_gone = [this] { return io_->peer_gone(); };
  exchange_->options = {.head = request.method == "HEAD", .http11 = message.version() >= 11, .keep_alive = message.keep_alive(), .request_id = request.request_id};
}

void Connection::run_handler() {
  Exchange& exchange = *exchange_;
  Request& request = exchange.request;
  Response response;
  try {
    const std::string_view coding = request.headers.find("Content-Encoding").value_or("identity");
    if (equal_no_case(coding, "gzip") || equal_no_case(coding, "x-gzip")) {
      exchange.inflated = inflate_body(exchange.body, server_.options.body_limit_bytes);
      request.body = exchange.inflated.get();
    }
    const auto target = parser_->get().target();
    set_target(request, std::string_view(target.data(), target.size()));
    response = server_.answer(request, request.request_id);
  } catch (const Error& error) {
    response = error_response(error);
  }
  if (server_.stopping) exchange.options.keep_alive = false;
  if (!exchange.body.ended() && !exchange.body.worth_draining()) exchange.options.keep_alive = false;
  try {
    exchange.outgoing.emplace(std::move(response), exchange.options);
  } catch (const std::exception& error) {
    log::error("request {}: {}", request.request_id, error.what());
    exchange.outgoing.emplace(error_response(Error(Code::internal, "The content could not be read; the server's log has request " + request.request_id)), exchange.options);
  }
}

// True when all is sent. A file or text that the client takes slowly is left to asio: then the connection is another thread's.
bool Connection::send_answer() {
  Outgoing& outgoing = *exchange_->outgoing;
  if (outgoing.is_stream()) {
    outgoing.run_stream(*io_);
    return true;
  }
  uint64_t before = outgoing.sent();
  while (const short events = outgoing.send_some(*io_)) {
    const bool moved = outgoing.sent() > before;
    before = outgoing.sent();
    if (moved && io_->wait_ready(events, kSendPatienceSeconds)) continue;
    park(events);
    return false;
  }
  return true;
}

void Connection::park(short events) {
  sent_ = exchange_->outgoing->sent();
  parked_since_s_ = monotonic_seconds();
  ++server_.answers_waiting;
  phase_ = Phase::sending;
  wait_for(events, server_.options.io_timeout_s);
}

// The answer has left: deals with what the handler left unread of the body.
bool Connection::end_exchange() {
  const bool keep = exchange_->outgoing->keep_alive();
  RequestBody& body = exchange_->body;
  record(exchange_->outgoing->status());
  bool go_on = keep;
  if (!body.ended()) {
    go_on = keep && body.drain(kDrainKeepAlive, server_.options.io_timeout_s);
    if (!keep) {
      // Closing with unread bytes makes the kernel send a reset that can overtake the answer: say that we are done, and swallow first.
      ::shutdown(fd_, SHUT_WR);
      body.drain(kDrainClosing, kDrainClosingSeconds);
    }
  }
  exchange_.reset();
  parser_.reset();
  return go_on;
}

void Connection::record(int status) const {
  if (!server_.options.observe) return;
  const Request& request = exchange_->request;
  const uint64_t sent = exchange_->outgoing ? exchange_->outgoing->sent() : 0;
  server_.options.observe({request.method, request.path, request.route, remote_, request.request_id, status, monotonic_seconds() - exchange_->begin_s,
                           exchange_->body.received(), sent});
}

// The framing is not to be trusted, so neither is what follows: one answer, then the end.
void Connection::refuse(const Error& error) noexcept {
  try {
    const std::string id = request_id_of({});
    Response response = error_response(error);
    if (error.code() == Code::too_large) response.status = 431;
    const int status = response.status;
    Outgoing outgoing(std::move(response), {.keep_alive = false, .request_id = id});
    outgoing.send_all(*io_);
    if (server_.options.observe) server_.options.observe({"", "", "", remote_, id, status, 0, 0, outgoing.sent()});
    swallow_before_closing();
  } catch (const std::exception&) {
    return;  // it has gone: nobody is left to tell
  }
}

void Connection::swallow_before_closing() noexcept {
  ::shutdown(fd_, SHUT_WR);
  std::array<std::byte, 16384> scratch;
  const double begin = monotonic_seconds();
  try {
    for (int i = 0; i < 64 && monotonic_seconds() - begin < 2; ++i) {
      const SocketIo::Attempt attempt = io_->try_read(scratch);
      if (attempt.count == 0 && (attempt.blocked_on == 0 || !io_->wait_ready(attempt.blocked_on, 1))) return;
    }
  } catch (const Error&) {
    return;
  }
}

}  // namespace lyceum::http
