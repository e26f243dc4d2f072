#include "api/jobs/job_process.h"

#include <cstdlib>
#include <fstream>

#include "api/jobs/job_runner.h"
#include "api/jobs/process_use.h"
#include "api/jobs/run_files.h"
#include "base/files.h"
#include "base/log.h"

namespace lyceum::api {
namespace {

constexpr std::string_view kErrorPrefix = "error: ";

// Not durable: what a run says again soon, or what a page can do without.
void write_beside(const fs::path& path, const std::string& text) {
  const fs::path draft = path.string() + ".new";
  std::ofstream(draft, std::ios::binary) << text;
  std::error_code ignored;
  fs::rename(draft, path, ignored);
}

// Where the hub keeps its data is nobody's business.
std::string without_folder(std::string text, const std::string& folder) {
  for (size_t at; (at = text.find(folder)) != std::string::npos;) text.erase(at, folder.size() + (text[at + folder.size()] == '/' ? 1 : 0));
  return text;
}

std::string stop_text(StopReason reason) {
  switch (reason) {
    case StopReason::time_limit: return "stopped at its time limit";
    case StopReason::hub_stops: return "the hub stops";
    default: return "stopped";
  }
}

}  // namespace

JobProcess::JobProcess(hub::Hub& hub, const Clock& clock, const JobRunnerOptions& options, const hub::Job& job)
    : hub_(hub), clock_(clock), options_(options), job_(job), folder_(job_folder(hub, job.id)), thread_([this] { run(); }) {}

JobProcess::~JobProcess() {
  kill();
  thread_.join();
}

void JobProcess::kill() {
  const std::lock_guard lock(mutex_);
  if (process_) process_->kill();
}

void JobProcess::ask_to_stop(StopReason reason) {
  const std::lock_guard lock(mutex_);
  if (reason_ != StopReason::none) return;
  reason_ = reason;
  stop_at_ = monotonic_seconds() + options_.stop_patience_s;
  if (!process_) return;
  // Only training answers politely; before its first step there is nothing to keep.
  training_ ? process_->terminate() : process_->kill();
}

void JobProcess::tick() {
  const std::lock_guard lock(mutex_);
  if (process_ && stop_at_ > 0 && monotonic_seconds() > stop_at_) process_->kill();
  const double now = monotonic_seconds();
  if (process_ && now - measured_at_ >= 1) {
    const ProcessUse use = read_process_use(process_->pid());
    if (measured_at_ > 0) status_["cpu_cores"] = (use.cpu_seconds - measured_cpu_) / (now - measured_at_);
    status_["memory_bytes"] = use.resident;
    resident_ = use.resident;
    measured_at_ = now;
    measured_cpu_ = use.cpu_seconds;
    status_changed_ = true;
  }
  save_status();
}

// Lock held.
void JobProcess::save_status() {
  if (!status_changed_) return;
  status_changed_ = false;
  status_["updated_ms"] = clock_.now_ms();
  write_beside(folder_ / "status.json", json::serialize(status_));
  if (training_) write_beside(folder_ / "curve.json", json::serialize(curve_.to_json()));
}

void JobProcess::say(const std::string& text) { log_->add(clock_.now_ms(), without_folder(text, folder_.string())); }

void JobProcess::run() {
  try {
    run_to_end();
  } catch (const std::exception& error) {
    try {
      fail(error.what());
    } catch (const std::exception& worse) {
      log::error("job {}/{}: {} (after: {})", job_.owner, job_.id, worse.what(), error.what());
    }
  }
  over_ = true;
}

void JobProcess::run_to_end() {
  fs::create_directories(folder_);
  log_ = std::make_unique<JobLog>(folder_);
  say(job_.starts > 1 || fs::exists(folder_ / "progress.jsonl") ? "the job goes on" : "the job begins");
  prepare();
  // A run that ended while its result could not be taken in is not run again.
  if (!job_.order.plan_only && has_output(folder_)) return publish();
  conclude(read_process());
}

void JobProcess::prepare() {
  const fs::path before = folder_ / "status.json";   // of the run that this one goes on with
  const json::value known = fs::exists(before) ? parse_json(read_file(before, 1u << 20), "status.json") : json::value();
  {
    const std::lock_guard lock(mutex_);
    if (known.is_object()) status_ = known.get_object();
    status_["phase"] = "starting";
    status_["message"] = "reading the inputs";
    status_changed_ = true;
    save_status();
  }
  prepare_run(hub_, hub::jobs_of(hub_).caller_of(job_), job_, options_.version);
  if (!fs::exists(folder_ / "curve.json")) return;
  const json::value points = parse_json(read_file(folder_ / "curve.json", 1u << 20), "curve.json");
  const std::lock_guard lock(mutex_);
  if (points.is_array()) curve_ = LossCurve::from_json(points.get_array());
}

int JobProcess::read_process() {
  ProcessOptions options;
  options.arguments = {options_.program, "job", "--supervised", "--run", folder_.string(), "--threads", std::to_string(options_.threads), "--nice", std::to_string(options_.niceness),
                       "--memory-mib", std::to_string(options_.memory_bytes >> 20), "--checkpoint-seconds", std::to_string(options_.checkpoint_seconds)};
  if (job_.order.plan_only) options.arguments.emplace_back("--dry-run");
  if (const char* isa = std::getenv("LYCEUM_ISA")) options.environment.push_back(std::string("LYCEUM_ISA=") + isa);
  {
    const std::lock_guard lock(mutex_);
    if (reason_ != StopReason::none) return 0;
    process_ = std::make_unique<Process>(options);
  }
  std::string pending;
  char buffer[4096];
  while (const size_t got = process_->read(buffer, sizeof buffer)) {
    pending.append(buffer, got);
    for (size_t end; (end = pending.find('\n')) != std::string::npos; pending.erase(0, end + 1)) take_line(pending.substr(0, end));
    if (pending.size() > (64u << 20)) pending.clear();   // no line of ours is so long
  }
  const std::lock_guard lock(mutex_);
  const int status = process_->wait();
  process_.reset();
  return status;
}

void JobProcess::take_line(const std::string& line) {
  json::error_code error;
  const json::value value = line.starts_with('{') ? json::parse(line, error) : json::value();
  if (!error && value.is_object()) return take_event(value.get_object());
  if (line.starts_with(kErrorPrefix)) last_error_ = line.substr(kErrorPrefix.size());
  say(line);
}

void JobProcess::take_event(const json::object& event) {
  if (const json::object* result = find_object(event, "result")) {
    result_ = *result;
    return;
  }
  const std::string phase = find_string(event, "phase").value_or("");
  if (phase != "train") say(phase + ": " + find_string(event, "message").value_or(""));
  const std::lock_guard lock(mutex_);
  const bool step = phase == "train";
  if (step || find_string(status_, "phase") != phase) status_changed_ = true;
  for (const auto& item : event) status_[item.key()] = item.value();
  if (!step) return;
  training_ = true;
  const auto number = static_cast<uint64_t>(find_int(event, "step").value_or(0));
  curve_.add(number, find_number(event, "loss").value_or(0));
}

std::string JobProcess::at_step() const {
  const auto step = find_int(status_, "step");
  return step ? " after step " + std::to_string(*step) + " of " + std::to_string(find_int(status_, "steps").value_or(0)) : "";
}

void JobProcess::conclude(int status) {
  StopReason reason;
  std::string where;
  {
    const std::lock_guard lock(mutex_);
    save_status();
    reason = reason_;
    where = at_step();
  }
  const bool whole = status == 0 && !result_.empty() && !find_bool(result_, "cancelled").value_or(false);
  if (whole && job_.order.plan_only) return hub::jobs_of(hub_).finish(job_, hub::JobState::planned, "");
  if (whole) return publish();
  if (reason == StopReason::hub_stops) {
    say("the hub stops; the job goes on when it is back");
    return hub::jobs_of(hub_).put_back(job_);
  }
  if (reason == StopReason::time_limit) return fail(stop_text(reason) + where + "; resume it to go on");
  if (reason == StopReason::person) {
    say(stop_text(reason) + where);
    return hub::jobs_of(hub_).finish(job_, hub::JobState::stopped, stop_text(reason) + where);
  }
  if (status > 128) return fail("the process was ended by signal " + std::to_string(status - 128) + (status == 128 + 9 ? ", as when memory runs out," : "") + where + "; resume it to go on from its last checkpoint");
  fail(last_error_.empty() ? "the process ended with status " + std::to_string(status) : last_error_);
}

void JobProcess::publish() {
  const Published made = publish_run(hub_, hub::jobs_of(hub_).caller_of(job_), job_);
  const json::value stored = parse_json(read_file(folder_ / "output" / "lineage.json", 64u << 20), "lineage.json");
  const json::object& lineage = get_object(stored, "lineage.json");
  json::object result{{"repo", made.repo}, {"commit", made.commit}};
  for (const char* key : {"steps", "seconds", "tokens_seen", "loss", "evaluations", "outputs_sha256"}) {
    if (const json::value* value = lineage.if_contains(key)) result[key] = *value;
  }
  say("the result is " + made.repo + " at " + made.commit);
  hub::jobs_of(hub_).finish(job_, hub::JobState::done, "", result);
  sweep_run(folder_);
  log::info("job {}/{} is done: {}", job_.owner, job_.id, made.repo);
}

void JobProcess::fail(const std::string& given) {
  const std::string message = without_folder(given, folder_.string());
  if (log_) say("failed: " + message);
  hub::jobs_of(hub_).finish(job_, hub::JobState::failed, message);
  log::info("job {}/{} failed: {}", job_.owner, job_.id, message);
}

}  // namespace lyceum::api
