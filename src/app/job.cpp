// lyceum job: the process a training run lives in. Events go to stdout as JSON lines, the last one holds the result.
#include <signal.h>
#include <sys/prctl.h>

#include <iostream>

#include "app/commands.h"
#include "tuning/job.h"

namespace lyceum::app {
namespace {

struct Args {
  std::string run_folder;
  unsigned threads = 0;
  bool dry_run = false;
};

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

int job(const Args& args) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // nobody would read the result of a run whose starter has gone
  tuning::JobOptions options;
  options.threads = args.threads;
  options.dry_run = args.dry_run;
  const tuning::JobResult result =
      tuning::run_job(args.run_folder, options, [](const tuning::JobProgress& progress) { std::cout << json::serialize(event(progress)) << std::endl; });
  std::cout << json::serialize(json::object{{"result", {{"cancelled", result.cancelled}, {"lineage", result.lineage}}}}) << std::endl;
  return 0;
}

}  // namespace

void configure_job(cli::Options& options, const cli::Globals&, cli::Run& run) {
  auto args = std::make_shared<Args>();
  options.add_option("--run", args->run_folder, "run folder with spec.json").required();
  options.add_option("--threads", args->threads, "0 = one per core");
  options.add_flag("--dry-run", args->dry_run, "stop after the data report");
  options.callback([args, &run] { run = [args] { return job(*args); }; });
}

}  // namespace lyceum::app
