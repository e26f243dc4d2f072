// jobs.h: work that people ask this hub to do for them: plan and run a tuning. This class is the durable queue and who may do what
// with it; api/jobs starts the processes. Any thread.
//
//   queued ── running ─┬─ planned ── (start) ── queued          a plan becomes a training with the same pinned inputs
//                      ├─ done
//                      ├─ failed, stopped, interrupted ── (resume) ── queued, from the last checkpoint
//                      └─ queued again, when the hub was restarted
//
// A job belongs to a namespace (where its result goes) and runs with the rights of the user who asked for it. It is seen by that user and by
// those who may read in the namespace, as long as they may also read its inputs: plan and log show pieces of the data. Who may create
// repositories in the namespace may start, stop, resume and delete its jobs. To everybody else a job does not exist.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/hub.h"

namespace lyceum::hub {

class Database;
class HubImpl;

enum class JobState { queued, running, planned, done, stopped, interrupted, failed };
std::string_view name(JobState state);
std::optional<JobState> find_job_state(std::string_view text);
bool is_over(JobState state);              // nothing happens any more unless somebody asks for it

struct JobInput {
  int64_t repo_row = 0;
  RepoId id;                               // as it was called then
  std::string commit;
};

// What was asked for. Only plan_only and labels ever change.
struct JobOrder {
  bool plan_only = false;                  // stop after the data report
  JobInput base, data;
  json::object recipe;
  std::string target;                      // model repository "owner/name" that gets the result
  bool private_result = true;
  json::object labels;                     // the protocol's: text to text
  uint64_t memory_bytes = 0;               // estimated need
  int64_t timeout_s = 0;                   // 0: none
};

struct Job {
  int64_t row = 0;
  std::string id;                          // 24 hex
  int64_t owner_row = 0, user_row = 0;
  std::string owner, user;                 // namespace; who asked
  bool owner_is_organisation = false;
  JobOrder order;
  JobState state = JobState::queued;
  bool stop_asked = false;
  int starts = 0;                          // since it was put into the queue by hand
  std::string message;                     // why it waits, failed or was stopped; for people
  json::object result;                     // of a job that is done: repo, commit, figures
  int64_t created_ms = 0, queued_ms = 0, started_ms = 0, finished_ms = 0;
};

struct JobQuery {
  std::string owner = {};                  // "": every namespace
  std::vector<JobState> states = {};            // empty: all
  std::vector<std::pair<std::string, std::string>> labels = {};
  size_t limit = 100, offset = 0;
};

// The program that carries jobs out, where this hub has one. Outlives what it is attached to, or is detached first.
class JobDesk {
 public:
  virtual ~JobDesk() = default;
  virtual void notify() = 0;                             // a row has changed
  virtual size_t queue_max() const = 0;
  virtual uint64_t memory_limit() const = 0;             // bytes, of all jobs together
};

class Jobs {
 public:
  static constexpr size_t kKeptPerOwner = 200;   // finished ones; older ones leave
  static constexpr int kStartsMax = 3;           // of a running job by hubs that were restarted, one after the other

  explicit Jobs(HubImpl& hub) : hub_(hub) {}

  void attach(JobDesk* desk) { desk_ = desk; }           // before requests come; null: detach
  JobDesk& desk();                                       // Error(unsupported) where no jobs are run

  // The rules of a namespace. Error(unauthorized, forbidden, not_found) that names the remedy.
  void require_see(const Caller& caller, const std::string& owner);
  void require_start(const Caller& caller, const std::string& owner);

  // The caller must be allowed to read both inputs now; their rows and commits are the caller's to fill (pin()). A public repository does not
  // take what was learned from private data: Error(forbidden). Error(unavailable) when `queue_max` jobs wait.
  Job submit(const Caller& caller, const std::string& owner, const JobOrder& order, size_t queue_max);
  JobInput pin(const Caller& caller, const RepoId& id, const std::string& revision);   // RepoNotFound, GatedRepo, RevisionNotFound
  Job get(const Caller& caller, const std::string& owner, const std::string& id);      // Error(not_found)
  std::vector<Job> list(const Caller& caller, const JobQuery& query);                  // newest first
  Job start(const Caller& caller, const Job& job, size_t queue_max);    // of a plan: the training
  Job resume(const Caller& caller, const Job& job, size_t queue_max);   // stopped, interrupted or failed
  Job stop(const Caller& caller, const Job& job);                       // at once if it waits, else soon
  Job set_labels(const Caller& caller, const Job& job, const json::object& labels);
  void remove(const Caller& caller, const Job& job);                    // Error(conflict) while it runs

  // For the runner.
  std::vector<Job> with_state(JobState state);                          // in the order of the queue
  std::optional<Job> find(int64_t row);
  Caller caller_of(const Job& job);                                     // its user, with all rights that he has now. Error(not_found): gone
  void set_running(const Job& job);
  void set_message(const Job& job, const std::string& message);
  void finish(const Job& job, JobState state, const std::string& message, const json::object& result = {});
  void put_back(const Job& job);           // the hub stops in good order: the next one goes on with it
  // Jobs that a hub left running, because it was killed: back into the queue, or interrupted after kStartsMax times.
  void recover();
  std::vector<std::string> take_old();                                  // ids of finished jobs that were too many, now forgotten

 private:
  bool may_see(Database& database, const Caller& caller, const Job& job);
  void check_queue(Database& database, size_t queue_max);
  // One step of the drawing: Error(conflict) if the job has meanwhile left `from`.
  Job move(const Caller& caller, const Job& job, std::string_view action, const std::vector<JobState>& from, const std::string& assignments, size_t queue_max);

  HubImpl& hub_;
  std::atomic<JobDesk*> desk_{nullptr};
};

Jobs& jobs_of(Hub& hub);   // an accessor beside its topic: hub.h stays as it is

}  // namespace lyceum::hub
