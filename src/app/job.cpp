// lyceum job: the process a training run lives in. Events go to stdout as JSON lines, the last one holds the result.
//
// Two runs of one folder take turns (a lock file): a hub that was killed and started again may start a run before the one before has
// written its last checkpoint. SIGTERM, also when the starter dies, stops the run after the current step with a checkpoint.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <iostream>

#include "app/commands.h"
#include "base/files.h"
#include "tuning/job.h"

namespace lyceum::app {
namespace {

struct Args {
  std::string run_folder;
  unsigned threads = 0;
  bool dry_run = false;
  bool supervised = false;
  int niceness = 0;
  uint64_t memory_mib = 0, checkpoint_seconds = 600;
};

std::atomic<bool> stop_asked{false};

void stop_on_terminate() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_asked = true; };
  ::sigaction(SIGTERM, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);  // a starter that died reads no more, and the checkpoint is still to be written
}

// By a hub: one stream to read, the first to go when the machine's memory runs out, serving comes first.
void become_supervised(const Args& args) {
  ::dup2(STDOUT_FILENO, STDERR_FILENO);
  std::ofstream("/proc/self/oom_score_adj") << 1000;
  if (args.niceness > 0) ::setpriority(PRIO_PROCESS, 0, args.niceness);
}

// Memory that the process asks for itself; maps of weight files, which the system may drop, do not count.
void limit_memory(uint64_t mib) {
  if (mib == 0) return;
  const rlimit limit{mib << 20, mib << 20};
  if (::setrlimit(RLIMIT_DATA, &limit) != 0) throw Error(Code::internal, "cannot limit the memory of a job");
}

UniqueFd lock_folder(const std::string& folder) {
  UniqueFd fd = open_file(fs::path(folder) / "lock", O_RDWR | O_CREAT | O_CLOEXEC);
  while (::flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR || stop_asked) throw Error(Code::unavailable, "another run of this folder has not ended");
  }
  return fd;
}

json::object event(const tuning::JobProgress& progress) {
  json::object out{{"phase", progress.phase}};
  if (!progress.message.empty()) out["message"] = progress.message;
  if (progress.phase == "train") {
    out["step"] = progress.step;
    out["steps"] = progress.steps;
    out["loss"] = progress.loss;
    out["learning_rate"] = progress.learning_rate;
    out["gradient_norm"] = progress.gradient_norm;
    out["tokens_per_second"] = progress.tokens_per_second;
    out["seconds_left"] = progress.seconds_left;
  }
  return out;
}

tuning::JobResult run(const Args& args, const tuning::JobOptions& options) {
  try {
    return tuning::run_job(args.run_folder, options, [](const tuning::JobProgress& progress) { std::cout << json::serialize(event(progress)) << std::endl; });
  } catch (const std::bad_alloc&) {
    throw Error(Code::too_large, "the run needs more memory than it may use" + (args.memory_mib > 0 ? " (" + std::to_string(args.memory_mib) + " MiB)" : std::string()) +
                                     "; take a smaller seq_len or micro_batch_size, or gradient_checkpointing");
  }
}

int job(const Args& args) {
  stop_on_terminate();
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // nobody would read the result of a run whose starter has gone
  if (args.supervised) become_supervised(args);
  limit_memory(args.memory_mib);
  const UniqueFd lock = lock_folder(args.run_folder);
  tuning::JobOptions options;
  options.threads = args.threads;
  options.dry_run = args.dry_run;
  options.cancel = &stop_asked;
  options.checkpoint_seconds = args.checkpoint_seconds;
  const tuning::JobResult result = run(args, options);
  std::cout << json::serialize(json::object{{"result", {{"cancelled", result.cancelled}, {"lineage", result.lineage}}}}) << std::endl;
  return 0;
}

}  // namespace

void configure_job(cli::Options& options, const cli::Globals&, cli::Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("--run", args->run_folder, "run folder with spec.json").required();
  options.add_option("--threads", args->threads, "0 = one per core");
  options.add_flag("--dry-run", args->dry_run, "stop after the data report");
  options.add_flag("--supervised", args->supervised, "a hub started it: errors go to standard output, and it is the first to go when memory runs out");
  options.add_option("--nice", args->niceness, "how far others go first, 0 to 19");
  options.add_option("--memory-mib", args->memory_mib, "memory that the run may ask for; 0 = no limit");
  options.add_option("--checkpoint-seconds", args->checkpoint_seconds, "a checkpoint at least this often");
  options.callback([args, &run] { run = [args] { return job(*args); }; });
}

}  // namespace lyceum::app
