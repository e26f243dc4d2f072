// The routes of the Hugging Face Jobs protocol, as huggingface_hub asks them (its hf_api.py and cli/jobs.py are the oracle). A job there is a
// Docker image and a command; here it is a tuning, written as the command `lyceum tune …`.
#include <atomic>
#include <thread>

#include "api/answer.h"
#include "api/jobs/handlers.h"
#include "api/jobs/job_json.h"
#include "api/jobs/job_log.h"
#include "api/jobs/job_request.h"
#include "api/jobs/run_files.h"
#include "api/services.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"
#include "hub/jobs.h"

namespace lyceum::api {
namespace {

constexpr size_t kJobsMax = 100, kAllLines = SIZE_MAX;
constexpr int kStreamsMax = 16;                   // each holds a request's thread for as long as its job runs
constexpr auto kLogPause = std::chrono::milliseconds(400);
constexpr auto kMetricsPause = std::chrono::seconds(1);
constexpr double kKeepAliveSeconds = 15;

hub::Jobs& jobs_of(Context& context) { return hub::jobs_of(context.services.hub); }
hub::Job get_job(Context& context) { return jobs_of(context).get(context.caller, context.request.param("ns"), context.request.param("job")); }

// One of the places for streams, given back when the stream ends.
std::shared_ptr<void> take_stream_place() {
  static std::atomic<int> taken{0};
  if (++taken > kStreamsMax) {
    --taken;
    throw Error(Code::unavailable, "too many logs are being followed; try again, or ask without following");
  }
  return {nullptr, [](void*) { --taken; }};
}

std::string event_text(const json::object& event) { return "data: " + json::serialize(event) + "\n\n"; }

http::Response stream_answer(std::function<void(http::BodyWriter&)> stream) {
  http::Response response;
  response.headers.set("Content-Type", "text/event-stream");
  response.headers.set("Cache-Control", "no-store");
  response.headers.set("X-Accel-Buffering", "no");
  response.stream = std::move(stream);
  return response;
}

// The last `tail` lines, and all that follow until the job is over.
void follow_log(hub::Hub& hub, int64_t row, const fs::path& folder, size_t tail, http::BodyWriter& writer) {
  uint64_t after = 0;
  double spoke = monotonic_seconds();
  while (!writer.client_gone()) {
    const auto job = hub::jobs_of(hub).find(row);     // before the log is read: what it says last is not missed
    const std::vector<LogLine> lines = read_job_log(folder, after);
    const size_t skip = lines.size() > tail ? lines.size() - tail : 0;
    tail = kAllLines;
    for (size_t i = skip; i < lines.size(); ++i) writer.write(event_text({{"data", lines[i].text}, {"timestamp", iso8601(lines[i].at_ms)}}));
    if (!lines.empty()) {
      after = lines.back().number;
      spoke = monotonic_seconds();
    }
    if (!job || hub::is_over(job->state)) return;
    if (monotonic_seconds() - spoke > kKeepAliveSeconds) {
      writer.write(": keep-alive\n\n");
      spoke = monotonic_seconds();
    }
    std::this_thread::sleep_for(kLogPause);
  }
}

json::object metrics_of(hub::Hub& hub, const hub::Job& job) {
  const json::object status = read_status(hub, job);
  const double cores = find_number(status, "cpu_cores").value_or(0);
  json::object out{{"cpu_usage_pct", static_cast<int>(100 * cores / std::max(1u, std::thread::hardware_concurrency()))}, {"cpu_millicores", static_cast<int>(1000 * cores)},
                   {"memory_used_bytes", find_int(status, "memory_bytes").value_or(0)}, {"memory_total_bytes", read_memory_state().total}, {"rx_bps", 0}, {"tx_bps", 0},
                   {"gpus", json::object{}}, {"replica", "0"}};
  for (const char* key : {"step", "steps", "loss", "tokens_per_second", "seconds_left"}) {
    if (const json::value* value = status.if_contains(key)) out[key] = *value;
  }
  return out;
}

void follow_metrics(hub::Hub& hub, int64_t row, http::BodyWriter& writer) {
  while (!writer.client_gone()) {
    const auto job = hub::jobs_of(hub).find(row);
    if (!job || hub::is_over(job->state)) return;
    writer.write("event: metric\n" + event_text(metrics_of(hub, *job)));
    std::this_thread::sleep_for(kMetricsPause);
  }
}

hub::Job submit(Context& context, const std::string& owner, const hub::JobOrder& order) {
  hub::Jobs& jobs = jobs_of(context);
  hub::JobDesk& desk = jobs.desk();
  hub::Job job = jobs.submit(context.caller, owner, order, desk.queue_max());
  desk.notify();
  return job;
}

}  // namespace

http::Response list_job_hardware(Context& context) {
  jobs_of(context).desk();
  const uint64_t gib = hub::jobs_of(context.services.hub).desk().memory_limit() >> 30;
  return json_answer(json::array{json::object{{"name", "cpu-basic"}, {"prettyName", "This machine"}, {"cpu", std::to_string(std::thread::hardware_concurrency()) + " vCPU"},
                                              {"ram", std::to_string(gib) + " GB"}, {"ephemeralStorage", "N/A"}, {"accelerator", nullptr}, {"unitCostMicroUSD", 0}, {"unitCostUSD", 0.0},
                                              {"unitLabel", "minute"}}});
}

http::Response list_docker_jobs(Context& context) {
  const std::string& owner = context.request.param("ns");
  jobs_of(context).require_see(context.caller, owner);
  const Page page = find_page(context.request, kJobsMax, kJobsMax);
  hub::JobQuery query{.owner = owner, .states = {}, .labels = {}, .limit = page.limit + 1, .offset = page.offset};
  for (const std::string& stage : context.request.all_query("stage")) {
    const auto states = states_of(stage);
    query.states.insert(query.states.end(), states.begin(), states.end());
  }
  for (const std::string& label : context.request.all_query("label")) query.labels.emplace_back(label.substr(0, label.find('=')), label.find('=') == std::string::npos ? "" : label.substr(label.find('=') + 1));
  json::array rows;
  for (const hub::Job& job : jobs_of(context).list(context.caller, query)) rows.push_back(job_info(context, job));
  return page_answer(context.request, page, std::move(rows));
}

http::Response run_docker_job(Context& context) {
  const std::string& owner = context.request.param("ns");
  jobs_of(context).require_start(context.caller, owner);
  return json_answer(job_info(context, submit(context, owner, read_docker_order(context, owner, read_json_body(context)))));
}

http::Response inspect_job(Context& context) { return json_answer(job_info(context, get_job(context))); }

http::Response stream_job_logs(Context& context) {
  const hub::Job job = get_job(context);
  size_t tail = kAllLines;
  if (const auto text = context.request.find_query("tail")) tail = std::strtoull(text->c_str(), nullptr, 10);
  hub::Hub& hub = context.services.hub;
  return stream_answer([&hub, row = job.row, folder = job_folder(hub, job.id), tail, place = take_stream_place()](http::BodyWriter& writer) { follow_log(hub, row, folder, tail, writer); });
}

http::Response stream_job_metrics(Context& context) {
  const hub::Job job = get_job(context);
  if (hub::is_over(job.state)) return http::Response::text("the job is over", 406);   // what the client expects then
  hub::Hub& hub = context.services.hub;
  return stream_answer([&hub, row = job.row, place = take_stream_place()](http::BodyWriter& writer) { follow_metrics(hub, row, writer); });
}

http::Response cancel_job(Context& context) {
  hub::Jobs& jobs = jobs_of(context);
  const hub::Job job = jobs.stop(context.caller, get_job(context));
  jobs.desk().notify();
  return json_answer(job_info(context, job));
}

// The same once more: the same commits, to the same repository.
http::Response duplicate_job(Context& context) {
  const hub::Job job = get_job(context);
  jobs_of(context).require_start(context.caller, job.owner);
  return json_answer(job_info(context, submit(context, job.owner, job.order)));
}

http::Response put_job_labels(Context& context) {
  const json::object body = read_json_body(context);
  const json::object* labels = find_object(body, "labels");
  if (labels == nullptr) throw Error(Code::invalid_argument, "labels must be an object of texts");
  return json_answer(job_info(context, jobs_of(context).set_labels(context.caller, get_job(context), *labels)));
}

http::Response refuse_job_ports(Context&) { throw Error(Code::unsupported, "Jobs on this hub open no ports."); }

}  // namespace lyceum::api
