// threads.h: a fixed pool for data-parallel loops. The work is split by the caller's grain, never by the number of
// threads, so a kernel that reduces inside one grain gives the same bytes for any thread count.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace lyceum {

class ThreadPool {
 public:
  // threads = total workers including the calling thread; 0 means one per core.
  explicit ThreadPool(unsigned threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned size() const noexcept;

  // Calls body(task, worker) once for every task in [0, tasks), in any order, on up to size() threads; returns when all
  // are done. body must not throw and must not call run() of the same pool. One run() at a time: a second caller waits.
  void run(size_t tasks, const std::function<void(size_t task, unsigned worker)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lyceum
