// workers.h: threads that run handlers. At most `running_max` of them run at a time; one that waits for the network does not count,
// so slow clients cost a sleeping thread each (up to `threads_max`), never a turn. Further work waits in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

#include "http/socket_io.h"

namespace lyceum::http {

class Workers final : public WaitObserver {
 public:
  struct Figures {
    size_t threads = 0, running = 0, waiting_for_network = 0, queued = 0;
  };

  Workers(unsigned running_max, unsigned threads_max) : running_max_(running_max), threads_max_(threads_max < running_max ? running_max : threads_max) {}
  ~Workers() override { stop(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void post(std::function<void()> work);  // work must not throw; dropped after stop()
  void stop();                            // drops what waits, waits for what runs
  Figures figures() const;

  // Called by a worker around a long wait.
  void begin_wait() noexcept override;
  void end_wait() noexcept override;

 private:
  void run();
  void start_more(std::unique_lock<std::mutex>& lock);

  const unsigned running_max_, threads_max_;
  mutable std::mutex mutex_;
  std::condition_variable wake_, ended_;
  std::deque<std::function<void()>> queue_;
  size_t threads_ = 0, idle_ = 0, running_ = 0, waiting_ = 0;
  bool stopped_ = false;
};

}  // namespace lyceum::http
