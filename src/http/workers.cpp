#include "http/workers.h"

#include <algorithm>
#include <chrono>

namespace lyceum::http {
namespace {

constexpr auto kIdleLife = std::chrono::seconds(20);
constexpr auto kLong = std::chrono::milliseconds(2);

thread_local uint64_t own_number = 0;  // of the piece that this worker runs

}  // namespace

void Workers::post(std::function<void()> work) {
  std::unique_lock lock(mutex_);
  if (stopped_) return;
  queue_.push_back(std::move(work));
  start_more(lock);
}

// Wakes or starts one thread if one more may run, or if one should watch what waits.
void Workers::start_more(std::unique_lock<std::mutex>& lock) {
  if (queue_.empty() || running_.size() >= running_max_) return;
  const bool eager = running_.size() < eager_now_;
  if (!eager && watched_) return;
  const size_t wanted = eager ? std::min(queue_.size(), eager_now_ - running_.size()) : 1;
  if (wanted > idle_ && threads_ < threads_max_) {  // an idle thread may have been woken for an earlier piece already
    ++threads_;
    std::thread([this] { run(); }).detach();  // stop() waits for it by count
  } else {
    lock.unlock();
    wake_.notify_one();
  }
}

// Under the mutex, as the next.
void Workers::count_in() {
  own_number = ++begun_;
  running_.insert(running_.end(), own_number);
}

void Workers::count_out() {
  running_.erase(own_number);
  if (running_.empty()) eager_now_ = eager_max_;
}

void Workers::run() {
  std::unique_lock lock(mutex_);
  const auto useful = [this] { return stopped_ || (!queue_.empty() && running_.size() < running_max_ && (running_.size() < eager_now_ || !watched_)); };
  while (true) {
    ++idle_;
    const bool woken = wake_.wait_for(lock, kIdleLife, useful);
    --idle_;
    if (stopped_ || !woken) break;
    if (running_.size() >= eager_now_ && !watch(lock)) continue;
    auto work = std::move(queue_.front());
    queue_.pop_front();
    count_in();
    start_more(lock);  // the next may run, too, or somebody has to watch
    if (lock.owns_lock()) lock.unlock();
    work();
    work = nullptr;  // what it captured dies outside the lock
    lock.lock();
    count_out();
  }
  if (--threads_ == 0) ended_.notify_all();
}

// Waits for a while, then counts those that have been running all the time. True: this thread may take a piece.
bool Workers::watch(std::unique_lock<std::mutex>& lock) {
  watched_ = true;
  const uint64_t before = begun_;
  late_.wait_for(lock, kLong, [this] { return stopped_; });
  watched_ = false;
  const auto recent = running_.upper_bound(before);
  eager_now_ = eager_max_ + static_cast<size_t>(std::distance(running_.begin(), recent));
  return !stopped_ && !queue_.empty() && running_.size() < std::min(running_max_, eager_now_);
}

void Workers::begin_wait() noexcept {
  std::unique_lock lock(mutex_);
  count_out();
  ++waiting_;
  start_more(lock);
}

void Workers::end_wait() noexcept {
  const std::lock_guard lock(mutex_);
  --waiting_;
  count_in();  // may pass running_max_ for a while: whoever has begun is let finish
}

Workers::Figures Workers::figures() const {
  const std::lock_guard lock(mutex_);
  return {threads_, running_.size(), waiting_, queue_.size()};
}

void Workers::stop() {
  std::deque<std::function<void()>> dropped;
  std::unique_lock lock(mutex_);
  stopped_ = true;
  dropped.swap(queue_);
  wake_.notify_all();
  late_.notify_all();
  ended_.wait(lock, [this] { return threads_ == 0; });
}

}  // namespace lyceum::http
