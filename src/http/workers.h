// workers.h: threads that run handlers. Started when needed, up to a limit; further work waits in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace lyceum::http {

class Workers {
 public:
  explicit Workers(unsigned threads_max) : threads_max_(threads_max) {}
  ~Workers() { stop(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void post(std::function<void()> work);  // work must not throw; dropped after stop()
  void stop();                            // drops what waits, joins what runs

 private:
  void run();

  unsigned threads_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
  size_t idle_ = 0;
  bool stopped_ = false;
};

}  // namespace lyceum::http
