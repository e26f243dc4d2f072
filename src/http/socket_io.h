// socket_io.h: reads and writes on a non-blocking socket, for handler threads, the event loop and the client. The try_… functions
// never wait; the others wait with a timeout and a lowest rate. tls.h has the same over TLS.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>

namespace lyceum::http {

// Told when a thread starts and ends a wait for the network that is longer than a moment. Same thread, strictly in turn.
class WaitObserver {
 public:
  virtual ~WaitObserver() = default;
  virtual void begin_wait() noexcept = 0;
  virtual void end_wait() noexcept = 0;
};

struct IoLimits {
  unsigned timeout_s = 120;       // one wait
  uint64_t lowest_rate = 0;       // bytes a second; 0: any
  unsigned grace_s = 30;          // waiting in all before lowest_rate is asked for
  WaitObserver* observer = nullptr;
};

// Does not own the descriptor. Every failure, a timeout included, is Error(unavailable). One thread at a time.
class SocketIo {
 public:
  struct Attempt {
    size_t count = 0;
    short blocked_on = 0;  // POLLIN or POLLOUT: nothing moved, wait for this; 0 with count 0 from try_read(): the peer has closed its side
  };

  SocketIo(int fd, IoLimits limits) : fd_(fd), limits_(limits) {}
  SocketIo(int fd, unsigned timeout_s) : SocketIo(fd, IoLimits{.timeout_s = timeout_s}) {}
  virtual ~SocketIo() = default;
  SocketIo(const SocketIo&) = delete;
  SocketIo& operator=(const SocketIo&) = delete;

  // A call that was blocked must be repeated with the same bytes before another one of its kind.
  virtual Attempt try_read(std::span<std::byte> into);
  virtual Attempt try_write(std::string_view bytes, bool more);
  virtual Attempt try_send_file(int file_fd, uint64_t offset, uint64_t length, const std::filesystem::path& path_for_errors);

  size_t read_some(std::span<std::byte> into);  // 0 = the peer has closed its side
  // more: further bytes follow at once, so the kernel may wait to fill a packet.
  void write_all(std::string_view bytes, bool more = false);
  void wait_for(short events, const char* action) { wait(events, action); }
  // Many bytes will follow: be woken when so many are there, not for each packet (1: for any). Only a wish: it ends by itself when the peer is slow.
  virtual void set_low_water(int bytes);
  // Waits up to `at_most_s` for POLLIN or POLLOUT. False: not yet. Throws when the peer breaks the limits.
  bool wait_ready(short events, double at_most_s);

  bool peer_gone() const;                       // closed or broken; unread bytes may remain
  bool readable() const;                        // bytes or an end are waiting
  uint64_t unsent_bytes() const;                // accepted by the kernel, not yet confirmed by the peer
  // Asked about once a second while waiting; false gives up with Error(unavailable).
  void set_keep_waiting(std::function<bool()> keep_waiting) { keep_waiting_ = std::move(keep_waiting); }

 protected:
  int fd() const noexcept { return fd_; }

 private:
  void wait(short events, const char* action);
  void require_rate(double waiting_s, const char* action) const;

  int fd_;
  IoLimits limits_;
  uint64_t moved_ = 0;
  double waited_s_ = 0;
  int low_water_ = 1;
  bool peer_is_slow_ = false;
  bool was_slow_ = false;            // the last wait was a long one
  std::function<bool()> keep_waiting_;
};

}  // namespace lyceum::http
