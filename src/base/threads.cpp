#include "base/threads.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace lyceum {

// Workers sleep on a condition variable and wake on a new generation. Tasks are taken from one atomic counter, so a
// stolen core slows its own task only. A short spin before sleeping hides the gap between consecutive kernels.
struct ThreadPool::State {
  std::mutex caller;  // held for a whole run()
  std::mutex mutex;
  std::condition_variable wake;
  std::condition_variable finished;
  std::vector<std::thread> workers;
  const std::function<void(size_t, unsigned)>* body = nullptr;
  size_t tasks = 0;
  std::atomic<size_t> next{0};
  unsigned active = 0;
  std::atomic<uint64_t> generation{0};
  bool stopping = false;

  void work(unsigned worker) {
    uint64_t seen = 0;
    while (true) {
      for (int spin = 0; spin < 2000 && generation.load(std::memory_order_acquire) == seen; ++spin) __builtin_ia32_pause();
      const std::function<void(size_t, unsigned)>* current = nullptr;
      size_t count = 0;
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return stopping || generation.load() != seen; });
        if (stopping) return;
        seen = generation.load();
        if (body == nullptr) continue;  // the run ended before this worker woke
        current = body;
        count = tasks;
        ++active;
      }
      drain(*current, count, worker);
      {
        const std::lock_guard lock(mutex);
        if (--active == 0) finished.notify_one();
      }
    }
  }

  void drain(const std::function<void(size_t, unsigned)>& current, size_t count, unsigned worker) {
    for (size_t task = next.fetch_add(1); task < count; task = next.fetch_add(1)) current(task, worker);
  }
};

ThreadPool::ThreadPool(unsigned threads) : state_(std::make_unique<State>()) {
  if (threads == 0) threads = std::thread::hardware_concurrency();
  if (threads == 0) threads = 1;
  for (unsigned i = 1; i < threads; ++i) state_->workers.emplace_back([this, i] { state_->work(i); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->generation.fetch_add(1);
  }
  state_->wake.notify_all();
  for (auto& worker : state_->workers) worker.join();
}

unsigned ThreadPool::size() const noexcept { return static_cast<unsigned>(state_->workers.size()) + 1; }

void ThreadPool::run(size_t tasks, const std::function<void(size_t, unsigned)>& body) {
  if (tasks == 0) return;
  const std::lock_guard caller(state_->caller);
  if (tasks == 1 || state_->workers.empty()) {
    for (size_t task = 0; task < tasks; ++task) body(task, 0);
    return;
  }
  {
    const std::lock_guard lock(state_->mutex);
    state_->body = &body;
    state_->tasks = tasks;
    state_->next.store(0);
    state_->generation.fetch_add(1, std::memory_order_release);
  }
  state_->wake.notify_all();
  state_->drain(body, tasks, 0);
  std::unique_lock lock(state_->mutex);
  state_->finished.wait(lock, [&] { return state_->active == 0; });
  state_->body = nullptr;
}

}  // namespace lyceum
