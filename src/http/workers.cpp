#include "http/workers.h"

#include <chrono>
#include <thread>

namespace lyceum::http {
namespace {

constexpr auto kIdleLife = std::chrono::seconds(20);

}  // namespace

void Workers::post(std::function<void()> work) {
  std::unique_lock lock(mutex_);
  if (stopped_) return;
  queue_.push_back(std::move(work));
  start_more(lock);
}

// Wakes or starts one thread if one more may run.
void Workers::start_more(std::unique_lock<std::mutex>& lock) {
  if (queue_.empty() || running_ >= running_max_) return;
  if (queue_.size() > idle_ && threads_ < threads_max_) {  // an idle thread may have been woken for an earlier piece already
    ++threads_;
    std::thread([this] { run(); }).detach();  // stop() waits for it by count
  } else {
    lock.unlock();
    wake_.notify_one();
  }
}

void Workers::run() {
  std::unique_lock lock(mutex_);
  const auto may_run = [this] { return stopped_ || (!queue_.empty() && running_ < running_max_); };
  while (true) {
    ++idle_;
    const bool woken = wake_.wait_for(lock, kIdleLife, may_run);
    --idle_;
    if (stopped_ || !woken) break;
    auto work = std::move(queue_.front());
    queue_.pop_front();
    ++running_;
    lock.unlock();
    work();
    work = nullptr;  // what it captured dies outside the lock
    lock.lock();
    --running_;
  }
  if (--threads_ == 0) ended_.notify_all();
}

void Workers::begin_wait() noexcept {
  std::unique_lock lock(mutex_);
  --running_;
  ++waiting_;
  start_more(lock);
}

void Workers::end_wait() noexcept {
  const std::lock_guard lock(mutex_);
  --waiting_;
  ++running_;  // may pass running_max_ for a while: whoever has begun is let finish
}

Workers::Figures Workers::figures() const {
  const std::lock_guard lock(mutex_);
  return {threads_, running_, waiting_, queue_.size()};
}

void Workers::stop() {
  std::deque<std::function<void()>> dropped;
  std::unique_lock lock(mutex_);
  stopped_ = true;
  dropped.swap(queue_);
  wake_.notify_all();
  ended_.wait(lock, [this] { return threads_ == 0; });
}

}  // namespace lyceum::http
