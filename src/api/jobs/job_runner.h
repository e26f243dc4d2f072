// job_runner.h: runs the jobs of hub/jobs.h, each as a process of its own (`lyceum job`), supervised by a thread. A job that fails, is
// killed or runs out of memory is a row with a message; the hub goes on.
//
// Admission: training runs `jobs_max` at a time and plans one at a time beside it, in the order of the queue; the first one waits until the
// machine has the memory that was estimated for it, and what runs together stays under `memory_bytes`. A process may ask for no more than
// that either, gives way to serving (nice), and is the first that the system ends when memory runs out.
//
// Several hubs over one store: the one that holds the lock "jobs" runs them; the others' routes only read and write rows and files.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"
#include "hub/jobs.h"

namespace lyceum::api {

struct JobRunnerOptions {
  std::string program = "/proc/self/exe";
  std::string version;
  unsigned jobs_max = 1;                 // trainings at a time
  size_t queue_max = 32;
  uint64_t memory_bytes = 0;             // of all jobs together; 0: two thirds of the machine
  unsigned threads = 0;
  int niceness = 10;
  uint64_t checkpoint_seconds = 60;
  double stop_patience_s = 60;           // for the step under way and its checkpoint, before a process is killed
  double drain_patience_s = 20;          // the same when the hub stops
};

class JobRunner final : public hub::JobDesk {
 public:
  JobRunner(hub::Hub& hub, const Clock& clock, JobRunnerOptions options);
  ~JobRunner() override;                          // running jobs write a checkpoint and go back into the queue

  void notify() override;
  size_t queue_max() const override { return options_.queue_max; }
  uint64_t memory_limit() const override { return options_.memory_bytes; }

 private:
  struct Run;
  void supervise();
  bool take_turn();
  void start_waiting();
  bool may_start(const hub::Job& job, std::string& why_not) const;
  void start(const hub::Job& job);
  void watch_running();
  void reap();
  void stop_all();

  hub::Hub& hub_;
  const Clock& clock_;
  JobRunnerOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool closing_ = false, noted_ = false;
  std::shared_ptr<void> turn_;           // the lock "jobs"
  std::map<int64_t, std::unique_ptr<Run>> runs_;   // the supervisor's own
  std::thread supervisor_;
};

}  // namespace lyceum::api
