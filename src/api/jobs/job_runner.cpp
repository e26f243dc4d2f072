#include "api/jobs/job_runner.h"

#include <algorithm>

#include "api/jobs/job_process.h"
#include "api/jobs/run_files.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"

namespace lyceum::api {
namespace {

constexpr auto kTick = std::chrono::milliseconds(500);       // while something runs or waits
constexpr auto kIdle = std::chrono::seconds(20);             // otherwise: another hub may have written a row
constexpr auto kTurnPause = std::chrono::seconds(5);
constexpr double kHubReserve = 256.0 * (1 << 20);            // of the machine's free memory, for serving

uint64_t memory_for_jobs(uint64_t wanted) { return wanted > 0 ? wanted : read_memory_state().total / 3 * 2; }

}  // namespace

struct JobRunner::Run {
  hub::Job job;
  double started = monotonic_seconds();
  JobProcess process;
  Run(hub::Hub& hub, const Clock& clock, const JobRunnerOptions& options, const hub::Job& given) : job(given), process(hub, clock, options, given) {}
};

JobRunner::JobRunner(hub::Hub& hub, const Clock& clock, JobRunnerOptions options) : hub_(hub), clock_(clock), options_(std::move(options)) {
  options_.memory_bytes = memory_for_jobs(options_.memory_bytes);
  hub::jobs_of(hub_).attach(this);
  supervisor_ = std::thread([this] { supervise(); });
}

JobRunner::~JobRunner() {
  hub::jobs_of(hub_).attach(nullptr);
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  supervisor_.join();
}

void JobRunner::notify() {
  {
    const std::lock_guard lock(mutex_);
    noted_ = true;
  }
  changed_.notify_all();
}

// The hub that holds the lock runs the jobs; false: stopped while waiting for it.
bool JobRunner::take_turn() {
  while (!turn_) {
    try {
      turn_ = hub_.take_lock("jobs");
      hub::jobs_of(hub_).recover();
    } catch (const Error& error) {
      turn_.reset();
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, kTurnPause, [this] { return closing_; })) return false;
    }
  }
  return true;
}

void JobRunner::supervise() {
  if (!take_turn()) return;
  std::unique_lock lock(mutex_);
  while (!closing_) {
    noted_ = false;
    lock.unlock();
    bool busy = true;
    try {
      reap();
      watch_running();
      start_waiting();
      busy = !runs_.empty() || !hub::jobs_of(hub_).with_state(hub::JobState::queued).empty();
    } catch (const std::exception& error) {
      log::error("jobs: {}", error.what());
    }
    lock.lock();
    changed_.wait_for(lock, busy ? std::chrono::duration_cast<std::chrono::milliseconds>(kTick) : std::chrono::duration_cast<std::chrono::milliseconds>(kIdle), [this] { return closing_ || noted_; });
  }
  lock.unlock();
  stop_all();
}

void JobRunner::reap() {
  const size_t before = runs_.size();
  std::erase_if(runs_, [](const auto& one) { return one.second->process.is_over(); });
  if (runs_.size() == before) return;
  for (const std::string& id : hub::jobs_of(hub_).take_old()) fs::remove_all(job_folder(hub_, id));
}

void JobRunner::watch_running() {
  for (const auto& [row, run] : runs_) {
    const auto now = hub::jobs_of(hub_).find(row);
    if (!now || now->stop_asked) run->process.ask_to_stop(StopReason::person);
    const int64_t limit = run->job.order.timeout_s;
    if (limit > 0 && monotonic_seconds() - run->started > static_cast<double>(limit)) run->process.ask_to_stop(StopReason::time_limit);
    run->process.tick();
  }
}

bool JobRunner::may_start(const hub::Job& job, std::string& why_not) const {
  size_t same_kind = 0;
  uint64_t in_use = 0;
  double to_come = 0;   // asked for by running jobs, not yet resident
  for (const auto& [row, run] : runs_) {
    same_kind += run->job.order.plan_only == job.order.plan_only ? 1 : 0;
    in_use += run->job.order.memory_bytes;
    to_come += std::max(0.0, static_cast<double>(run->job.order.memory_bytes) - static_cast<double>(run->process.resident_bytes()));
  }
  if (same_kind >= (job.order.plan_only ? 1 : options_.jobs_max)) {
    why_not = job.order.plan_only ? "waits for another plan to end" : "waits for another job to end";
    return false;
  }
  if (job.order.memory_bytes > options_.memory_bytes) {
    why_not = "needs about " + human_bytes(job.order.memory_bytes) + ", and jobs on this hub may use " + human_bytes(options_.memory_bytes) + ": it will never fit (--jobs-memory-mib)";
    return false;
  }
  if (in_use + job.order.memory_bytes > options_.memory_bytes) {
    why_not = "waits until running jobs leave " + human_bytes(job.order.memory_bytes) + " of the jobs' memory";
    return false;
  }
  const uint64_t available = read_memory_state().available;   // 0: unknown
  const double free_now = static_cast<double>(available) - to_come - kHubReserve;
  if (available != 0 && static_cast<double>(job.order.memory_bytes) > free_now) {
    why_not = "waits for memory: needs about " + human_bytes(job.order.memory_bytes) + ", the machine has " + human_bytes(static_cast<uint64_t>(std::max(0.0, free_now))) + " to spare";
    return false;
  }
  return true;
}

// In the order of the queue, plans and trainings apart: the first that must wait holds back those behind it, so that large ones get their turn.
void JobRunner::start_waiting() {
  bool held[2] = {false, false};
  for (const hub::Job& job : hub::jobs_of(hub_).with_state(hub::JobState::queued)) {
    bool& kind_held = held[job.order.plan_only ? 1 : 0];
    std::string why_not = "waits behind another job";
    if (!kind_held && may_start(job, why_not)) {
      start(job);
      continue;
    }
    kind_held = true;
    hub::jobs_of(hub_).set_message(job, why_not);
  }
}

void JobRunner::start(const hub::Job& job) {
  hub::jobs_of(hub_).set_running(job);
  const auto now = hub::jobs_of(hub_).find(job.row);
  if (!now || now->state != hub::JobState::running) return;   // stopped or deleted in between
  log::info("job {}/{} starts: {} on {}", job.owner, job.id, job.order.base.id.full_name(), job.order.data.id.full_name());
  runs_.emplace(job.row, std::make_unique<Run>(hub_, clock_, options_, *now));
}

void JobRunner::stop_all() {
  for (const auto& [row, run] : runs_) run->process.ask_to_stop(StopReason::hub_stops);
  const double deadline = monotonic_seconds() + options_.drain_patience_s;
  while (std::any_of(runs_.begin(), runs_.end(), [](const auto& one) { return !one.second->process.is_over(); })) {
    for (const auto& [row, run] : runs_) {
      if (monotonic_seconds() > deadline) run->process.kill();
      run->process.tick();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  runs_.clear();
}

}  // namespace lyceum::api
