#include "api/xet/staging.h"
#include "api/xet/xet.h"
#include "base/log.h"

namespace lyceum::api {
namespace {

constexpr auto kCleanInterval = std::chrono::hours(1);

void clean_staging(hub::Hub& hub) {
  try {
    Staging(hub).remove_older_than(kStagedLifetimeMs);
    hub.collect_garbage({.dry_run = false, .staging_only = true});
  } catch (const std::exception& error) {
    log::warn("staging could not be cleaned: {}", error.what());
  }
}

}  // namespace

XetIndexer::XetIndexer(hub::Hub& hub) : hub_(hub), thread_([this] { run(); }) {}

XetIndexer::~XetIndexer() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void XetIndexer::enqueue(std::string sha256) {
  const std::scoped_lock lock(mutex_);
  if (!waiting_.insert(sha256).second) return;
  queue_.push_back(std::move(sha256));
  changed_.notify_all();
}

size_t XetIndexer::queued() {
  const std::scoped_lock lock(mutex_);
  return queue_.size();
}

void XetIndexer::wait_idle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queue_.empty() && !busy_; });
}

void XetIndexer::run() {
  auto clean_at = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (std::chrono::steady_clock::now() >= clean_at) {
      clean_at += kCleanInterval;
      lock.unlock();
      clean_staging(hub_);
      lock.lock();
    } else if (queue_.empty()) {
      changed_.wait_until(lock, clean_at);
    } else {
      const std::string sha256 = std::move(queue_.front());
      queue_.pop_front();
      busy_ = true;
      lock.unlock();
      try {
        index_blob(hub_, sha256);
      } catch (const std::exception& error) {
        log::error("Xet index of {}: {}", sha256, error.what());
      }
      lock.lock();
      waiting_.erase(sha256);
      busy_ = false;
      changed_.notify_all();
    }
  }
}

}  // namespace lyceum::api
