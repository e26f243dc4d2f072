#include "api/groups.h"
#include "api/jobs/handlers.h"

namespace lyceum::api {
namespace {

// Which namespace and job a caller may see or command is hub/jobs.h's to say: the rows let in whoever could have the right.
constexpr RouteRow kRows[] = {
    {"GET", "/api/lyceum/jobs", Access::signed_in, "Jobs that the caller may see", list_own_jobs},
    {"GET", "/api/lyceum/job-presets", Access::signed_in, "Recipes to begin with, and the memory that jobs may use", list_job_presets},
    {"GET", "/api/lyceum/jobs/{ns}", Access::signed_in, "Jobs of a namespace, for its members", list_namespace_jobs},
    {"POST", "/api/lyceum/jobs/{ns}", Access::scoped_write, "Plan or start a tuning whose result goes to the namespace", submit_job},
    {"GET", "/api/lyceum/jobs/{ns}/{job}", Access::signed_in, "A job: state, progress, loss curve, result", show_job},
    {"DELETE", "/api/lyceum/jobs/{ns}/{job}", Access::scoped_write, "Forget a job that does not run", delete_job},
    {"GET", "/api/lyceum/jobs/{ns}/{job}/plan", Access::signed_in, "What a job learns: the data report", show_job_plan},
    {"GET", "/api/lyceum/jobs/{ns}/{job}/log", Access::signed_in, "What a job said, after the line of that number", show_job_log},
    {"POST", "/api/lyceum/jobs/{ns}/{job}/start", Access::scoped_write, "Train what was planned", start_job},
    {"POST", "/api/lyceum/jobs/{ns}/{job}/resume", Access::scoped_write, "Go on with a job that was stopped, interrupted or failed", resume_job},
    {"POST", "/api/lyceum/jobs/{ns}/{job}/stop", Access::scoped_write, "Stop a job after its step, with a checkpoint", stop_job},

    {"GET", "/api/jobs/hardware", Access::signed_in, "Where jobs run: this machine", list_job_hardware},
    {"GET", "/api/jobs/{ns}", Access::signed_in, "Jobs of a namespace as huggingface_hub lists them", list_docker_jobs},
    {"POST", "/api/jobs/{ns}", Access::scoped_write, "Run `lyceum tune …` as a job", run_docker_job},
    {"GET", "/api/jobs/{ns}/{job}", Access::signed_in, "A job as huggingface_hub inspects it", inspect_job},
    {"GET", "/api/jobs/{ns}/{job}/logs", Access::signed_in, "What a job says, as server-sent events until it is over", stream_job_logs},
    {"GET", "/api/jobs/{ns}/{job}/metrics", Access::signed_in, "Processor and memory of a running job, as server-sent events", stream_job_metrics},
    {"POST", "/api/jobs/{ns}/{job}/cancel", Access::scoped_write, "Stop a job", cancel_job},
    {"POST", "/api/jobs/{ns}/{job}/duplicate", Access::scoped_write, "Run the same once more", duplicate_job},
    {"PUT", "/api/jobs/{ns}/{job}/labels", Access::scoped_write, "Replace a job's labels", put_job_labels},
    {"PUT", "/api/jobs/{ns}/{job}/expose", Access::anyone, "Refused: jobs open no ports", refuse_job_ports},
};

}  // namespace

std::span<const RouteRow> jobs_rows() { return kRows; }

}  // namespace lyceum::api
