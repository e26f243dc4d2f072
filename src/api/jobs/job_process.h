// job_process.h: one run of one job, from its inputs to its commit, on a thread of its own: prepares the folder, starts `lyceum job`, keeps
// what it says, publishes its result, and records how it ended. Never throws out of the thread.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "api/git/process.h"
#include "api/jobs/job_log.h"
#include "api/jobs/loss_curve.h"
#include "base/clock.h"
#include "hub/jobs.h"

namespace lyceum::api {

struct JobRunnerOptions;
enum class StopReason { none, person, time_limit, hub_stops };

class JobProcess {
 public:
  JobProcess(hub::Hub& hub, const Clock& clock, const JobRunnerOptions& options, const hub::Job& job);
  ~JobProcess();

  bool is_over() const { return over_; }
  uint64_t resident_bytes() const { return resident_; }
  // The first reason counts. The run ends after its step, with a checkpoint; a process that does not is killed when patience ends.
  void ask_to_stop(StopReason reason);
  void kill();
  void tick();                           // now and then: measures, writes status.json, ends patience

 private:
  void run();                            // the thread
  void run_to_end();
  void prepare();
  int read_process();                    // its exit status
  void take_line(const std::string& line);
  void take_event(const json::object& event);
  void conclude(int status);
  void publish();
  void save_status();
  void say(const std::string& text);
  void fail(const std::string& given);
  std::string at_step() const;

  hub::Hub& hub_;
  const Clock& clock_;
  const JobRunnerOptions& options_;
  const hub::Job job_;
  const std::filesystem::path folder_;
  std::unique_ptr<JobLog> log_;          // the thread's own, as is what follows
  std::string last_error_;
  json::object result_;

  std::mutex mutex_;                     // for what follows
  std::unique_ptr<Process> process_;
  json::object status_;
  LossCurve curve_;
  bool status_changed_ = false, training_ = false;
  StopReason reason_ = StopReason::none;
  double stop_at_ = 0, measured_at_ = 0, measured_cpu_ = 0;

  std::atomic<uint64_t> resident_{0};
  std::atomic<bool> over_{false};
  std::thread thread_;
};

}  // namespace lyceum::api
