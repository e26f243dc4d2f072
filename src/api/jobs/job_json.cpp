#include "api/jobs/job_json.h"

#include "api/jobs/job_request.h"
#include "api/jobs/run_files.h"
#include "api/services.h"
#include "base/files.h"

namespace lyceum::api {
namespace {

constexpr uint64_t kFileMax = 16u << 20;

// A file of a run as JSON; null while there is none, or when the run is replacing it just now.
json::value read_run_file(hub::Hub& hub, const hub::Job& job, std::string_view name) {
  const fs::path path = job_folder(hub, job.id) / name;
  std::error_code error;
  if (!fs::exists(path, error)) return nullptr;
  try {
    return parse_json(read_file(path, kFileMax), std::string(name));
  } catch (const Error&) {
    return nullptr;
  }
}

json::value time_json(int64_t at_ms) { return at_ms == 0 ? json::value(nullptr) : json::value(iso8601(at_ms)); }

json::object input_json(const hub::JobInput& input) {
  return {{"type", hub::plural(input.id.type)}, {"id", input.id.full_name()}, {"commit", input.commit}};
}

json::object durations(const hub::Job& job, int64_t now) {
  const int64_t end = job.finished_ms != 0 ? job.finished_ms : now;
  json::object out{{"schedulingSecs", nullptr}, {"runningSecs", nullptr}, {"totalSecs", (end - job.created_ms) / 1000}};
  if (job.started_ms == 0) return out;
  out["schedulingSecs"] = (job.started_ms - job.queued_ms) / 1000;
  out["runningSecs"] = (end - job.started_ms) / 1000;
  return out;
}

}  // namespace

json::object read_status(hub::Hub& hub, const hub::Job& job) {
  const json::value value = read_run_file(hub, job, "status.json");
  return value.is_object() ? value.get_object() : json::object();
}

json::array read_curve(hub::Hub& hub, const hub::Job& job) {
  const json::value value = read_run_file(hub, job, "curve.json");
  return value.is_array() ? value.get_array() : json::array();
}

json::value read_plan(hub::Hub& hub, const hub::Job& job) { return read_run_file(hub, job, "data_report.json"); }

json::object job_json(hub::Hub& hub, const hub::Job& job, bool may_control) {
  json::object out{{"id", job.id}, {"owner", job.owner}, {"user", job.user}, {"state", hub::name(job.state)}, {"plan_only", job.order.plan_only}, {"message", job.message},
                   {"stop_asked", job.stop_asked}, {"base", input_json(job.order.base)}, {"data", input_json(job.order.data)}, {"to", job.order.target},
                   {"private", job.order.private_result}, {"labels", job.order.labels}, {"memory_bytes", job.order.memory_bytes}, {"timeout_s", job.order.timeout_s},
                   {"may_control", may_control}};
  out["created_at"] = time_json(job.created_ms);
  out["started_at"] = time_json(job.started_ms);
  out["finished_at"] = time_json(job.finished_ms);
  out["recipe"] = job.order.recipe;
  out["result"] = job.result;
  out["progress"] = read_status(hub, job);
  return out;
}

std::string_view stage_of(hub::JobState state) {
  switch (state) {
    case hub::JobState::queued: return "SCHEDULING";
    case hub::JobState::running: return "RUNNING";
    case hub::JobState::planned:
    case hub::JobState::done: return "COMPLETED";
    case hub::JobState::stopped:
    case hub::JobState::interrupted: return "CANCELED";
    case hub::JobState::failed: return "ERROR";
  }
  return "ERROR";
}

std::vector<hub::JobState> states_of(std::string_view stage) {
  std::vector<hub::JobState> out;
  for (const auto state : {hub::JobState::queued, hub::JobState::running, hub::JobState::planned, hub::JobState::done, hub::JobState::stopped, hub::JobState::interrupted, hub::JobState::failed}) {
    if (stage_of(state) == stage) out.push_back(state);
  }
  if (out.empty() && stage != "DELETED") throw Error(Code::invalid_argument, "stage is SCHEDULING, RUNNING, COMPLETED, CANCELED or ERROR");
  return out;
}

json::object job_info(const Context& context, const hub::Job& job) {
  const std::string kind = job.owner_is_organisation ? "org" : "user";
  json::array command;
  for (const std::string& word : command_of(job.order)) command.emplace_back(word);
  json::object status{{"stage", stage_of(job.state)}, {"message", nullptr}};
  if (!job.message.empty()) status["message"] = job.message;
  json::object out{{"id", job.id}, {"dockerImage", "lyceum"}, {"command", command}, {"arguments", json::array{}}, {"environment", json::object{}}, {"flavor", "cpu-basic"},
                   {"labels", job.order.labels}, {"status", status}};
  out["createdAt"] = time_json(job.created_ms);
  out["startedAt"] = time_json(job.started_ms);
  out["finishedAt"] = time_json(job.finished_ms);
  out["durations"] = durations(job, context.services.clock.now_ms());
  out["owner"] = json::object{{"id", std::to_string(job.owner_row)}, {"name", job.owner}, {"type", kind}};
  out["initiator"] = json::object{{"type", "user"}, {"id", std::to_string(job.user_row)}, {"name", job.user}};
  out["type"] = "job";
  return out;
}

}  // namespace lyceum::api
