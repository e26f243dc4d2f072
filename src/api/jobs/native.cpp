// Jobs in this hub's own words, for its pages.
#include "api/answer.h"
#include "api/jobs/handlers.h"
#include "api/jobs/job_json.h"
#include "api/jobs/job_log.h"
#include "api/jobs/job_request.h"
#include "api/jobs/presets.h"
#include "api/jobs/run_files.h"
#include "api/services.h"
#include "base/files.h"
#include "hub/jobs.h"

namespace lyceum::api {
namespace {

constexpr size_t kLogLinesMax = 1000, kJobsMax = 100;

hub::Jobs& jobs_of(Context& context) { return hub::jobs_of(context.services.hub); }
hub::Job get_job(Context& context) { return jobs_of(context).get(context.caller, context.request.param("ns"), context.request.param("job")); }

bool may_control(Context& context, const std::string& owner) {
  try {
    jobs_of(context).require_start(context.caller, owner);
    return true;
  } catch (const Error&) {
    return false;
  }
}

http::Response answer(Context& context, const hub::Job& job) { return json_answer(job_json(context.services.hub, job, may_control(context, job.owner))); }

http::Response list(Context& context, const std::string& owner) {
  const Page page = find_page(context.request, 30, kJobsMax);
  hub::JobQuery query{.owner = owner, .states = {}, .labels = {}, .limit = page.limit + 1, .offset = page.offset};
  json::array rows;
  std::map<std::string, bool> control;
  for (const hub::Job& job : jobs_of(context).list(context.caller, query)) {
    if (!control.contains(job.owner)) control[job.owner] = may_control(context, job.owner);
    json::object row = job_json(context.services.hub, job, control[job.owner]);
    row.erase("recipe");
    rows.push_back(std::move(row));
  }
  return page_answer(context.request, page, std::move(rows));
}

// Does what was asked, wakes whoever carries it out, and shows the job as it is now.
template <typename Change>
http::Response change(Context& context, Change change_job) {
  hub::Jobs& jobs = jobs_of(context);
  hub::JobDesk& desk = jobs.desk();
  const hub::Job job = change_job(jobs, get_job(context), desk.queue_max());
  desk.notify();
  return answer(context, job);
}

}  // namespace

http::Response list_own_jobs(Context& context) { return list(context, ""); }

http::Response list_job_presets(Context& context) {
  const hub::JobDesk& desk = jobs_of(context).desk();
  return json_answer(json::object{{"presets", job_presets()}, {"memory_limit_bytes", desk.memory_limit()}});
}

http::Response list_namespace_jobs(Context& context) {
  jobs_of(context).require_see(context.caller, context.request.param("ns"));
  return list(context, context.request.param("ns"));
}

http::Response submit_job(Context& context) {
  hub::Jobs& jobs = jobs_of(context);
  const std::string& owner = context.request.param("ns");
  jobs.require_start(context.caller, owner);
  hub::JobDesk& desk = jobs.desk();
  const hub::Job job = jobs.submit(context.caller, owner, read_job_order(context, owner, read_json_body(context)), desk.queue_max());
  desk.notify();
  return answer(context, job);
}

http::Response show_job(Context& context) {
  const hub::Job job = get_job(context);
  json::object out = job_json(context.services.hub, job, may_control(context, job.owner));
  out["curve"] = read_curve(context.services.hub, job);
  out["has_plan"] = fs::exists(job_folder(context.services.hub, job.id) / "data_report.json");
  json::array command;
  for (const std::string& word : command_of(job.order)) command.emplace_back(word);
  out["command"] = std::move(command);
  return json_answer(out);
}

http::Response show_job_plan(Context& context) {
  const json::value plan = read_plan(context.services.hub, get_job(context));
  if (plan.is_null()) throw Error(Code::not_found, "the job has no plan yet; it is made when the data has been read");
  return json_answer(plan);
}

http::Response show_job_log(Context& context) {
  const hub::Job job = get_job(context);
  const auto after = context.request.find_query("after");
  std::vector<LogLine> lines = read_job_log(job_folder(context.services.hub, job.id), after ? std::strtoull(after->c_str(), nullptr, 10) : 0);
  const size_t skip = lines.size() > kLogLinesMax ? lines.size() - kLogLinesMax : 0;
  json::array out;
  for (size_t i = skip; i < lines.size(); ++i) out.push_back(json::object{{"number", lines[i].number}, {"at", iso8601(lines[i].at_ms)}, {"text", lines[i].text}});
  return json_answer(out);
}

http::Response start_job(Context& context) {
  return change(context, [&](hub::Jobs& jobs, const hub::Job& job, size_t queue_max) { return jobs.start(context.caller, job, queue_max); });
}

http::Response resume_job(Context& context) {
  return change(context, [&](hub::Jobs& jobs, const hub::Job& job, size_t queue_max) { return jobs.resume(context.caller, job, queue_max); });
}

http::Response stop_job(Context& context) {
  return change(context, [&](hub::Jobs& jobs, const hub::Job& job, size_t) { return jobs.stop(context.caller, job); });
}

http::Response delete_job(Context& context) {
  const hub::Job job = get_job(context);
  jobs_of(context).remove(context.caller, job);
  std::error_code ignored;   // its thread may be sweeping it just now
  fs::remove_all(job_folder(context.services.hub, job.id), ignored);
  return json_answer(json::object{{"id", job.id}});
}

}  // namespace lyceum::api
