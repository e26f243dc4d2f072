// workers.h: threads that run handlers. At most `running_max` of them run at a time; one that waits for the network does not count,
// so slow clients cost a sleeping thread each (up to `threads_max`), never a turn. Further work waits in order.
//
// Handlers that compute gain nothing from more company than there are cores, and lose to changes of thread. So at first only `eager_max` run;
// each that has run for 2 ms (it waits for a disk, a process or a lock, or computes long) lets one more run beside it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "http/socket_io.h"

namespace lyceum::http {

class Workers final : public WaitObserver {
 public:
  struct Figures {
    size_t threads = 0, running = 0, waiting_for_network = 0, queued = 0;
  };

  Workers(unsigned running_max, unsigned threads_max, unsigned eager_max = std::thread::hardware_concurrency() + 1)
      : running_max_(running_max), threads_max_(threads_max < running_max ? running_max : threads_max), eager_max_(eager_max), eager_now_(eager_max) {}
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
  bool watch(std::unique_lock<std::mutex>& lock);
  void start_more(std::unique_lock<std::mutex>& lock);
  void count_in();
  void count_out();

  const size_t running_max_, threads_max_, eager_max_;
  mutable std::mutex mutex_;
  std::condition_variable wake_, late_, ended_;
  std::deque<std::function<void()>> queue_;
  size_t threads_ = 0, idle_ = 0, waiting_ = 0;
  size_t eager_now_;             // eager_max_ and one for each that has run for long
  std::set<uint64_t> running_;   // a number each, growing with time
  uint64_t begun_ = 0;           // the last number
  bool watched_ = false;         // a thread looks whether the queue moves
  bool stopped_ = false;
};

}  // namespace lyceum::http
