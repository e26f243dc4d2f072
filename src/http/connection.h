// connection.h: one client. Owned by whatever it waits for: an event in asio, or a piece of work in hand. Only one of them at a time
// touches it, so it needs no lock; deadlines are atomic because the sweep reads them meanwhile.
//
//   accepted ─▶ handshake (TLS only) ─▶ head ─▶ worker: handler, answer ─▶ head …
//                                                 │ client takes slowly ▲
//                                                 └▶ sending (in asio) ─┘ room again
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "http/request_body.h"
#include "http/response_writer.h"
#include "http/server_state.h"

namespace lyceum::http {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(ServerState& server, Socket socket, std::string remote, bool with_tls);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start() { wait_for(POLLIN, server_.options.idle_timeout_s); }   // I/O thread
  // The server's mutex is held for these, so the object lives.
  void cut() noexcept;                       // any thread: every wait of this connection ends
  bool overdue(double now_s) const noexcept; // I/O thread
  bool idle() const noexcept { return phase_.load() == Phase::head; }

 private:
  enum class Phase { handshake, head, busy, sending };
  enum class Fill { complete, blocked, closed };
  enum class Turn { again, close, left };  // left: another thread has the connection now; touch nothing

  // One request and its answer, from complete header to last byte.
  struct Exchange {
    explicit Exchange(Connection& connection) : body(connection.parser_.value(), connection.buffer_, *connection.io_, connection.server_.options.body_limit_bytes) {}
    RequestBody body;
    std::unique_ptr<BodyStream> inflated;
    Request request;
    WriteOptions options;
    std::optional<Outgoing> outgoing;
    double begin_s = 0;
  };

  void wait_for(short events, unsigned seconds);
  void on_event(bool failed) noexcept;
  Fill fill();
  bool find_head_end();
  bool answer_quickly();
  void dispatch();
  void work() noexcept;
  Turn serve();
  void begin_exchange();
  bool find_quick_answer();
  void run_handler();
  bool send_answer();
  void park(short events);
  void leave_reactor();
  bool end_exchange();
  void refuse(const Error& error) noexcept;
  void record(int status) const;
  void swallow_before_closing() noexcept;

  ServerState& server_;
  Socket socket_;  // closed while the connection is not asio's (leave_reactor)
  const int fd_;
  const std::string remote_;
  const bool secure_;
  std::unique_ptr<SocketIo> io_;
  beast::flat_buffer buffer_{1u << 20};
  size_t scanned_ = 0, head_bytes_ = 0;      // of buffer_
  std::optional<HeadParser> parser_;
  std::unique_ptr<Exchange> exchange_;
  std::optional<Error> head_error_;
  std::atomic<Phase> phase_;
  std::atomic<double> deadline_s_{1e300};
  double head_began_s_ = 0;
  std::atomic<uint64_t> sent_{0};            // by the answer under way, for the sweep
  double parked_s_ = 0, parked_since_s_ = 0; // spent in Phase::sending by this answer
};

}  // namespace lyceum::http
