#include "http/socket_io.h"

#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/clock.h"
#include "base/error.h"

namespace lyceum::http {
namespace {

[[noreturn]] void throw_broken(const char* action, int error) {
  throw Error(Code::unavailable, std::string("The connection broke while ") + action + ": " + std::strerror(error));
}

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

void SocketIo::wait(short events, const char* action) {
  const double begin = monotonic_seconds();
  while (true) {
    const double left = timeout_s_ - (monotonic_seconds() - begin);
    const double slice = std::min(left, keep_waiting_ ? 1.0 : 1e6);
    pollfd entry{fd_, events, 0};
    const int ready = left > 0 ? ::poll(&entry, 1, static_cast<int>(slice * 1000) + 1) : 0;
    if (ready > 0) break;
    if (ready == 0 && keep_waiting_ && !keep_waiting_()) throw Error(Code::unavailable, std::string("Given up while ") + action);
    if (ready == 0 && slice >= left) throw Error(Code::unavailable, std::string("The other side did nothing for ") + std::to_string(timeout_s_) + " s while " + action);
    if (errno != EINTR) throw_broken(action, errno);
  }
  waited_s_ += monotonic_seconds() - begin;
  if (lowest_rate_ != 0 && waited_s_ > timeout_s_ && static_cast<double>(moved_) < waited_s_ * static_cast<double>(lowest_rate_)) {
    throw Error(Code::unavailable, std::string("The other side is too slow while ") + action);
  }
}

size_t SocketIo::read_some(std::span<std::byte> into) {
  while (true) {
    const ssize_t got = ::recv(fd_, into.data(), into.size(), MSG_DONTWAIT);
    if (got >= 0) {
      moved_ += static_cast<uint64_t>(got);
      return static_cast<size_t>(got);
    }
    if (would_block(errno)) {
      wait(POLLIN, "reading");
    } else if (errno != EINTR) {
      throw_broken("reading", errno);
    }
  }
}

void SocketIo::write_all(std::string_view bytes, bool more) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    if (sent >= 0) {
      moved_ += static_cast<uint64_t>(sent);
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (would_block(errno)) {
      wait(POLLOUT, "writing");
    } else if (errno != EINTR) {
      throw_broken("writing", errno);
    }
  }
}

void SocketIo::write_both(std::string_view first, std::string_view second) {
  iovec vector[2] = {{const_cast<char*>(first.data()), first.size()}, {const_cast<char*>(second.data()), second.size()}};
  msghdr message{};
  message.msg_iov = vector;
  message.msg_iovlen = 2;
  const ssize_t sent = ::sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && !would_block(errno) && errno != EINTR) throw_broken("writing", errno);
  const size_t done = sent > 0 ? static_cast<size_t>(sent) : 0;
  moved_ += done;
  write_all(first.substr(std::min(done, first.size())), !second.empty());
  write_all(second.substr(done > first.size() ? done - first.size() : 0));
}

void SocketIo::send_file(int file_fd, uint64_t offset, uint64_t length, const std::filesystem::path& path_for_errors) {
  constexpr uint64_t piece_max = 1u << 30;
  auto at = static_cast<off_t>(offset);
  while (length > 0) {
    const ssize_t sent = ::sendfile(fd_, file_fd, &at, static_cast<size_t>(std::min(length, piece_max)));
    if (sent > 0) {
      moved_ += static_cast<uint64_t>(sent);
      length -= static_cast<uint64_t>(sent);
    } else if (sent == 0) {
      throw Error(Code::internal, "The file " + path_for_errors.string() + " became shorter while it was sent");
    } else if (would_block(errno)) {
      wait(POLLOUT, "writing");
    } else if (errno != EINTR) {
      throw_broken("writing", errno);
    }
  }
}

bool SocketIo::peer_gone() const {
  pollfd entry{fd_, POLLRDHUP, 0};
  return ::poll(&entry, 1, 0) > 0;
}

bool SocketIo::readable() const {
  pollfd entry{fd_, POLLIN | POLLRDHUP, 0};
  return ::poll(&entry, 1, 0) > 0;
}

}  // namespace lyceum::http
