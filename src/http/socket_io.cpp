#include "http/socket_io.h"

#include <poll.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/clock.h"
#include "base/error.h"

namespace lyceum::http {
namespace {

constexpr double kMomentSeconds = 0.02;  // waits shorter than this are not worth telling the observer about

[[noreturn]] void throw_broken(const char* action, int error) {
  throw Error(Code::unavailable, std::string("The connection broke while ") + action + ": " + std::strerror(error));
}

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

bool poll_for(int fd, short events, double seconds, const char* action) {
  pollfd entry{fd, events, 0};
  const int ready = ::poll(&entry, 1, static_cast<int>(seconds * 1000) + 1);
  if (ready < 0 && errno != EINTR) throw_broken(action, errno);
  return ready > 0;
}

const char* name_of(short events) { return events == POLLIN ? "reading" : "writing"; }

// Tells the observer of a long wait, whatever ends it.
class LongWait {
 public:
  explicit LongWait(WaitObserver* observer) : observer_(observer) {
    if (observer_) observer_->begin_wait();
  }
  ~LongWait() {
    if (observer_) observer_->end_wait();
  }
  LongWait(const LongWait&) = delete;
  LongWait& operator=(const LongWait&) = delete;

 private:
  WaitObserver* observer_;
};

}  // namespace

void SocketIo::require_rate(double waiting_s, const char* action) const {
  const double waited = waited_s_ + waiting_s;
  const double grace = std::min(limits_.grace_s, limits_.timeout_s);
  if (limits_.lowest_rate == 0 || waited <= grace) return;
  if (static_cast<double>(moved_) < waited * static_cast<double>(limits_.lowest_rate)) {
    throw Error(Code::unavailable, std::string("The other side is too slow while ") + action);
  }
}

void SocketIo::set_low_water(int bytes) {
  if (peer_is_slow_) bytes = 1;
  if (bytes == low_water_) return;
  low_water_ = bytes;
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

void SocketIo::wait(short events, const char* action) {
  const double begin = monotonic_seconds();
  // Who let us wait before is waited for without a turn at once: a thousand clients that send a byte now and then would hold every turn.
  bool ready = poll_for(fd_, events, was_slow_ ? 0 : std::min<double>(kMomentSeconds, limits_.timeout_s), action);
  if (!ready && low_water_ > 1) {  // what little has come counts, for the time-out and for the rate
    peer_is_slow_ = true;
    set_low_water(1);
    ready = poll_for(fd_, events, 0, action);
  }
  was_slow_ = !ready;
  if (!ready) {
    const LongWait told(limits_.observer);
    while (true) {
      const double left = limits_.timeout_s - (monotonic_seconds() - begin);
      if (left <= 0) throw Error(Code::unavailable, "The other side did nothing for " + std::to_string(limits_.timeout_s) + " s while " + action);
      if (poll_for(fd_, events, std::min(left, 1.0), action)) break;
      if (keep_waiting_ && !keep_waiting_()) throw Error(Code::unavailable, std::string("Given up while ") + action);
      require_rate(monotonic_seconds() - begin, action);
    }
  }
  waited_s_ += monotonic_seconds() - begin;
  require_rate(0, action);
}

bool SocketIo::wait_ready(short events, double at_most_s) {
  const LongWait told(limits_.observer);
  const double begin = monotonic_seconds();
  const bool ready = poll_for(fd_, events, at_most_s, name_of(events));
  waited_s_ += monotonic_seconds() - begin;
  return ready;
}

SocketIo::Attempt SocketIo::try_read(std::span<std::byte> into) {
  while (true) {
    const ssize_t got = ::recv(fd_, into.data(), into.size(), MSG_DONTWAIT);
    if (got >= 0) return {static_cast<size_t>(got), 0};
    if (would_block(errno)) return {0, POLLIN};
    if (errno != EINTR) throw_broken("reading", errno);
  }
}

SocketIo::Attempt SocketIo::try_write(std::string_view bytes, bool more) {
  while (true) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    if (sent >= 0) return {static_cast<size_t>(sent), 0};
    if (would_block(errno)) return {0, POLLOUT};
    if (errno != EINTR) throw_broken("writing", errno);
  }
}

SocketIo::Attempt SocketIo::try_send_file(int file_fd, uint64_t offset, uint64_t length, const std::filesystem::path& path_for_errors) {
  constexpr uint64_t piece_max = 1u << 30;
  auto at = static_cast<off_t>(offset);
  while (true) {
    const ssize_t sent = ::sendfile(fd_, file_fd, &at, static_cast<size_t>(std::min(length, piece_max)));
    if (sent > 0) return {static_cast<size_t>(sent), 0};
    if (sent == 0) throw Error(Code::internal, "The file " + path_for_errors.string() + " became shorter while it was sent");
    if (would_block(errno)) return {0, POLLOUT};
    if (errno != EINTR) throw_broken("writing", errno);
  }
}

size_t SocketIo::read_some(std::span<std::byte> into) {
  while (true) {
    const Attempt attempt = try_read(into);
    moved_ += attempt.count;
    if (attempt.blocked_on == 0) return attempt.count;
    wait(attempt.blocked_on, "reading");
  }
}

void SocketIo::write_all(std::string_view bytes, bool more) {
  while (!bytes.empty()) {
    const Attempt attempt = try_write(bytes, more);
    moved_ += attempt.count;
    bytes.remove_prefix(attempt.count);
    if (attempt.blocked_on != 0) wait(attempt.blocked_on, "writing");
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

uint64_t SocketIo::unsent_bytes() const {
  int bytes = 0;
  return ::ioctl(fd_, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<uint64_t>(bytes) : 0;
}

}  // namespace lyceum::http
