// socket_io.h: blocking reads and writes on a non-blocking socket, each with a timeout, for handler threads and the client.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>

namespace lyceum::http {

// Does not own the descriptor. Every failure, a timeout included, is Error(unavailable). When lowest_rate is set, a peer that has kept us
// waiting for longer than the timeout in all must have moved that many bytes a second, or it is given up too.
class SocketIo {
 public:
  SocketIo(int fd, unsigned timeout_s, uint64_t lowest_rate = 0) : fd_(fd), timeout_s_(timeout_s), lowest_rate_(lowest_rate) {}

  size_t read_some(std::span<std::byte> into);  // 0 = the peer has closed its side
  // more: further bytes follow at once, so the kernel may wait to fill a packet.
  void write_all(std::string_view bytes, bool more = false);
  void write_both(std::string_view first, std::string_view second);
  void send_file(int file_fd, uint64_t offset, uint64_t length, const std::filesystem::path& path_for_errors);
  bool peer_gone() const;                       // closed or broken; unread bytes may remain
  bool readable() const;                        // bytes or an end are waiting
  // Asked about once a second while waiting; false gives up with Error(unavailable).
  void set_keep_waiting(std::function<bool()> keep_waiting) { keep_waiting_ = std::move(keep_waiting); }

 private:
  void wait(short events, const char* action);

  int fd_;
  unsigned timeout_s_;
  uint64_t lowest_rate_;
  uint64_t moved_ = 0;
  double waited_s_ = 0;
  std::function<bool()> keep_waiting_;
};

}  // namespace lyceum::http
