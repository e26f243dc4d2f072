#include "hub/jobs.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/random.h"
#include "hub/hub_impl.h"
#include "hub/names.h"

namespace lyceum::hub {
namespace {

constexpr std::array<std::string_view, 7> kStateNames = {"queued", "running", "planned", "done", "stopped", "interrupted", "failed"};
constexpr size_t kMessageMax = 4000, kLabelsMax = 20;

constexpr std::string_view kSelect =
    "SELECT j.id, j.public_id, j.owner_id, j.user_id, o.name, u.name, o.is_organisation, j.plan_only, j.base_repo_id, j.data_repo_id, j.wanted, j.labels, j.state, "
    "j.stop_asked, j.starts, j.message, j.result, j.created_ms, j.queued_ms, j.started_ms, j.finished_ms FROM jobs j JOIN accounts o ON o.id = j.owner_id "
    "JOIN accounts u ON u.id = j.user_id ";

std::string select_jobs(std::string_view tail) {
  std::string out(kSelect);
  out += tail;
  return out;
}

json::object input_json(const JobInput& input) {
  return {{"type", plural(input.id.type)}, {"owner", input.id.owner}, {"name", input.id.name}, {"commit", input.commit}};
}

JobInput read_input(const json::object& wanted, std::string_view key, int64_t row) {
  const json::object& input = get_object(wanted.at(key), "stored job");
  return {row, {find_repo_type(get_string(input, "type")).value_or(RepoType::model), get_string(input, "owner"), get_string(input, "name")}, get_string(input, "commit")};
}

json::object wanted_json(const JobOrder& order) {
  return {{"base", input_json(order.base)}, {"data", input_json(order.data)}, {"recipe", order.recipe},
          {"target", order.target}, {"private", order.private_result}, {"memory_bytes", order.memory_bytes}, {"timeout_s", order.timeout_s}};
}

json::object object_of(const std::string& text) { return text.empty() ? json::object() : get_object(parse_json(text, "stored job"), "stored job"); }

JobOrder read_order(const Rows& rows) {
  const json::object wanted = object_of(rows.text(10));
  JobOrder order;
  order.plan_only = rows.boolean(7);
  order.base = read_input(wanted, "base", rows.integer(8));
  order.data = read_input(wanted, "data", rows.integer(9));
  order.recipe = get_object(wanted.at("recipe"), "stored job");
  order.target = get_string(wanted, "target");
  order.private_result = find_bool(wanted, "private").value_or(true);
  order.labels = object_of(rows.text(11));
  order.memory_bytes = static_cast<uint64_t>(get_int(wanted, "memory_bytes"));
  order.timeout_s = get_int(wanted, "timeout_s");
  return order;
}

Job read_job(const Rows& rows) {
  Job job;
  job.row = rows.integer(0);
  job.id = rows.text(1);
  job.owner_row = rows.integer(2);
  job.user_row = rows.integer(3);
  job.owner = rows.text(4);
  job.user = rows.text(5);
  job.owner_is_organisation = rows.boolean(6);
  job.order = read_order(rows);
  job.state = find_job_state(rows.text(12)).value_or(JobState::failed);
  job.stop_asked = rows.boolean(13);
  job.starts = static_cast<int>(rows.integer(14));
  job.message = rows.text(15);
  job.result = object_of(rows.text(16));
  job.created_ms = rows.integer(17);
  job.queued_ms = rows.integer(18);
  job.started_ms = rows.integer(19);
  job.finished_ms = rows.integer(20);
  return job;
}

std::optional<Repo> find_repo_row(Database& database, int64_t row) {
  static const std::string sql = "SELECT " + std::string(kRepoColumns) + " FROM repos r WHERE r.id = ?1";
  Rows rows = database.query(sql, row);
  if (!rows.step()) return std::nullopt;
  return read_repo(rows);
}

bool may_read_content(Database& database, const Caller& caller, const Repo& repo) {
  if (!may_read(database, caller, repo) || (repo.disabled && !caller.sees_all())) return false;
  try {
    require_content(database, caller, repo);
    return true;
  } catch (const Error&) {
    return false;
  }
}

Job get_row(Database& database, int64_t row) {
  static const std::string sql = select_jobs("WHERE j.id = ?1");
  Rows rows = database.query(sql, row);
  if (!rows.step()) throw Error(Code::not_found, "there is no such job (any more)", "JobNotFound");
  return read_job(rows);
}

void check_labels(const json::object& labels) {
  if (labels.size() > kLabelsMax) throw Error(Code::invalid_argument, "a job has at most 20 labels");
  for (const auto& label : labels) {
    if (!label.value().is_string() || label.key().size() > 100 || label.value().as_string().size() > 100) {
      throw Error(Code::invalid_argument, "labels are texts of at most 100 bytes; \"" + std::string(label.key().substr(0, 100)) + "\" is not");
    }
  }
}

bool has_labels(const Job& job, const JobQuery& query) {
  return std::all_of(query.labels.begin(), query.labels.end(), [&](const auto& wanted) { return find_string(job.order.labels, wanted.first) == wanted.second; });
}

// What was learned from data that not everybody may read is not for everybody.
void check_privacy(Database& database, const JobOrder& order, const Repo& base, const Repo& data) {
  const auto closed = [](const Repo& repo) { return repo.is_private || !repo.gated.empty(); };
  if (!closed(base) && !closed(data)) return;
  const std::string why = (closed(data) ? data : base).repo_id.full_name() + " is not public, so the result must be private";
  if (!order.private_result) throw Error(Code::forbidden, why + "; you may open it up later in its settings");
  const size_t slash = order.target.find('/');
  const auto target = find_repo(database, {RepoType::model, order.target.substr(0, slash), order.target.substr(slash + 1)});
  if (target && !target->is_private) throw Error(Code::forbidden, why + ", but " + order.target + " is public; choose another repository");
}

}  // namespace

std::string_view name(JobState state) { return kStateNames[static_cast<size_t>(state)]; }

std::optional<JobState> find_job_state(std::string_view text) {
  const auto found = std::find(kStateNames.begin(), kStateNames.end(), text);
  if (found == kStateNames.end()) return std::nullopt;
  return static_cast<JobState>(found - kStateNames.begin());
}

bool is_over(JobState state) { return state != JobState::queued && state != JobState::running; }

Jobs& jobs_of(Hub& hub) { return static_cast<HubImpl&>(hub).jobs(); }   // Hub::open() makes no other

JobDesk& Jobs::desk() {
  JobDesk* const desk = desk_;
  if (desk == nullptr) throw Error(Code::unsupported, "this hub runs no jobs (--jobs-max 0); `lyceum tune` runs where you are");
  return *desk;
}

void Jobs::require_see(const Caller& caller, const std::string& owner) {
  const auto reader = hub_.store_->read();
  const Account account = get_account(*reader, owner);
  if (!caller.user) throw Error(Code::unauthorized, "sign in to see the jobs of \"" + account.name + "\"");
  const bool member = caller.sees_all() || role_in(*reader, *caller.user, account.id) >= Role::read;
  if (!member || !caller.lets(kReadContent, 0, account.id)) throw Error(Code::forbidden, "only members of \"" + account.name + "\" see its jobs, with a token that reaches it");
}

void Jobs::require_start(const Caller& caller, const std::string& owner) {
  const auto reader = hub_.store_->read();
  require_namespace(*reader, caller, get_account(*reader, owner), kWriteRepo, "run jobs");
}

bool Jobs::may_see(Database& database, const Caller& caller, const Job& job) {
  if (!caller.user || !caller.lets(kReadContent, 0, job.owner_row)) return false;
  const bool own = caller.user->id == job.user_row || caller.sees_all();
  if (!own && role_in(database, *caller.user, job.owner_row) < Role::read) return false;
  for (const JobInput* input : {&job.order.base, &job.order.data}) {
    const auto repo = find_repo_row(database, input->repo_row);
    // A fine-grained token may reach the namespace of the job and not that of the data: the job then stays hidden from it.
    if (repo ? !may_read_content(database, caller, *repo) : !own) return false;
  }
  return true;
}

void Jobs::check_queue(Database& database, size_t queue_max) {
  Rows rows = database.query("SELECT count(*) FROM jobs WHERE state = 'queued'");
  if (rows.step() && static_cast<size_t>(rows.integer(0)) >= queue_max) {
    throw Error(Code::unavailable, "the queue is full: " + std::to_string(rows.integer(0)) + " jobs wait already; try again when one has ended (--jobs-queue-max)", "QueueFull");
  }
}

JobInput Jobs::pin(const Caller& caller, const RepoId& id, const std::string& revision) {
  const Repo repo = hub_.get_repo(caller, id);
  if (repo.disabled) throw Error(Code::forbidden, "access to " + id.full_name() + " is disabled");
  hub_.require_content(caller, repo);
  return {repo.id, repo.repo_id, hub_.resolve_revision(repo, revision)};
}

Job Jobs::submit(const Caller& caller, const std::string& owner, const JobOrder& order, size_t queue_max) {
  check_labels(order.labels);
  const std::string id = to_hex(as_bytes(secure_bytes(12)));
  int64_t row = 0;
  hub_.transact([&](Database& database) {
    const Account account = get_account(database, owner);
    require_namespace(database, caller, account, kWriteRepo, "run jobs");
    const size_t slash = order.target.find('/');
    if (slash == std::string::npos || order.target.substr(0, slash) != account.name) throw Error(Code::invalid_argument, "the result must go to a repository of " + account.name);
    check_repo_name(order.target.substr(slash + 1));
    const auto base = find_repo_row(database, order.base.repo_row), data = find_repo_row(database, order.data.repo_row);
    if (!base || !data) throw repo_not_found();
    check_privacy(database, order, *base, *data);
    check_queue(database, queue_max);
    const int64_t now = hub_.clock_.now_ms();
    row = database.insert(
        "INSERT INTO jobs (public_id, owner_id, user_id, plan_only, base_repo_id, data_repo_id, wanted, labels, state, created_ms, queued_ms) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'queued', ?9, ?9) RETURNING id",
        id, account.id, caller.user->id, order.plan_only, base->id, data->id, json::serialize(wanted_json(order)), json::serialize(order.labels), now);
    hub_.audit_->record(database, caller, "job.submit", account.name + "/" + id, {{"base", base->repo_id.full_name()}, {"data", data->repo_id.full_name()}, {"target", order.target}});
  });
  return *find(row);
}

Job Jobs::get(const Caller& caller, const std::string& owner, const std::string& id) {
  static const std::string sql = select_jobs("WHERE j.public_id = ?1 AND o.name = ?2");
  const auto reader = hub_.store_->read();
  std::optional<Job> job;
  {
    Rows rows = reader->query(sql, id, owner);
    if (rows.step()) job = read_job(rows);
  }
  if (!job || !may_see(*reader, caller, *job)) throw Error(Code::not_found, "there is no job " + id.substr(0, 64) + " of " + owner.substr(0, 96) + ", or you may not see it", "JobNotFound");
  return *job;
}

std::vector<Job> Jobs::list(const Caller& caller, const JobQuery& query) {
  if (!caller.user) throw Error(Code::unauthorized, "sign in to see jobs");
  // Rights depend on tokens, roles and inputs, so rows are looked at one by one; take_old() bounds how many there are.
  static const std::string sql = select_jobs("WHERE (?1 = '' OR o.name = ?1) ORDER BY j.id DESC");
  std::vector<Job> all, out;
  const auto reader = hub_.store_->read();
  {
    Rows rows = reader->query(sql, query.owner);
    while (rows.step()) all.push_back(read_job(rows));
  }
  size_t skipped = 0;
  for (Job& job : all) {
    const bool wanted = query.states.empty() || std::find(query.states.begin(), query.states.end(), job.state) != query.states.end();
    if (!wanted || !has_labels(job, query) || !may_see(*reader, caller, job)) continue;
    if (skipped++ < query.offset) continue;
    out.push_back(std::move(job));
    if (out.size() >= query.limit) break;
  }
  return out;
}

Job Jobs::move(const Caller& caller, const Job& job, std::string_view action, const std::vector<JobState>& from, const std::string& assignments, size_t queue_max) {
  hub_.transact([&](Database& database) {
    require_namespace(database, caller, get_account(database, job.owner), kWriteRepo, std::string(action) + " jobs");
    const Job now = get_row(database, job.row);
    if (std::find(from.begin(), from.end(), now.state) == from.end()) throw Error(Code::conflict, "a job that is " + std::string(name(now.state)) + " cannot be asked to " + std::string(action));
    if (queue_max > 0) check_queue(database, queue_max);
    database.run("UPDATE jobs SET " + assignments + " WHERE id = ?1", job.row, hub_.clock_.now_ms());
    hub_.audit_->record(database, caller, "job." + std::string(action), job.owner + "/" + job.id);
  });
  return *find(job.row);
}

Job Jobs::start(const Caller& caller, const Job& job, size_t queue_max) {
  return move(caller, job, "start", {JobState::planned}, "state = 'queued', plan_only = 0, stop_asked = 0, starts = 0, message = '', queued_ms = ?2, started_ms = 0, finished_ms = 0", queue_max);
}

Job Jobs::resume(const Caller& caller, const Job& job, size_t queue_max) {
  return move(caller, job, "resume", {JobState::stopped, JobState::interrupted, JobState::failed}, "state = 'queued', stop_asked = 0, starts = 0, message = '', queued_ms = ?2, finished_ms = 0", queue_max);
}

Job Jobs::stop(const Caller& caller, const Job& job) {
  return move(caller, job, "stop", {JobState::queued, JobState::running},
              "finished_ms = CASE WHEN state = 'queued' THEN ?2 ELSE 0 END, message = CASE WHEN state = 'queued' THEN 'stopped before it began' ELSE message END, "
              "stop_asked = 1, state = CASE WHEN state = 'queued' THEN 'stopped' ELSE state END",
              0);
}

Job Jobs::set_labels(const Caller& caller, const Job& job, const json::object& labels) {
  check_labels(labels);
  hub_.transact([&](Database& database) {
    require_namespace(database, caller, get_account(database, job.owner), kWriteRepo, "label jobs");
    database.run("UPDATE jobs SET labels = ?2 WHERE id = ?1", job.row, json::serialize(labels));
  });
  return *find(job.row);
}

void Jobs::remove(const Caller& caller, const Job& job) {
  hub_.transact([&](Database& database) {
    require_namespace(database, caller, get_account(database, job.owner), kWriteRepo, "delete jobs");
    if (get_row(database, job.row).state == JobState::running) throw Error(Code::conflict, "the job runs; stop it first");
    database.run("DELETE FROM jobs WHERE id = ?1", job.row);
    hub_.audit_->record(database, caller, "job.delete", job.owner + "/" + job.id);
  });
}

std::vector<Job> Jobs::with_state(JobState state) {
  static const std::string sql = select_jobs("WHERE j.state = ?1 ORDER BY j.queued_ms, j.id");
  std::vector<Job> out;
  const auto reader = hub_.store_->read();
  Rows rows = reader->query(sql, name(state));
  while (rows.step()) out.push_back(read_job(rows));
  return out;
}

std::optional<Job> Jobs::find(int64_t row) {
  static const std::string sql = select_jobs("WHERE j.id = ?1");
  const auto reader = hub_.store_->read();
  Rows rows = reader->query(sql, row);
  if (!rows.step()) return std::nullopt;
  return read_job(rows);
}

Caller Jobs::caller_of(const Job& job) {
  const auto user = hub_.find_user(job.user);
  if (!user || user->id != job.user_row) throw Error(Code::not_found, "the account of " + job.user + " has gone");
  return {user, std::nullopt, {}};
}

void Jobs::set_running(const Job& job) {
  hub_.transact([&](Database& database) {
    database.run("UPDATE jobs SET state = 'running', starts = starts + 1, message = '', started_ms = ?2 WHERE id = ?1 AND state = 'queued'", job.row, hub_.clock_.now_ms());
  });
}

void Jobs::set_message(const Job& job, const std::string& message) {
  if (job.message == message) return;
  hub_.transact([&](Database& database) { database.run("UPDATE jobs SET message = ?2 WHERE id = ?1", job.row, message.substr(0, kMessageMax)); });
}

void Jobs::finish(const Job& job, JobState state, const std::string& message, const json::object& result) {
  hub_.transact([&](Database& database) {
    database.run("UPDATE jobs SET state = ?2, message = ?3, result = ?4, stop_asked = 0, finished_ms = ?5 WHERE id = ?1", job.row, name(state), message.substr(0, kMessageMax),
                 json::serialize(result), hub_.clock_.now_ms());
  });
}

void Jobs::put_back(const Job& job) {
  hub_.transact([&](Database& database) { database.run("UPDATE jobs SET state = 'queued', starts = 0 WHERE id = ?1 AND state = 'running'", job.row); });
}

void Jobs::recover() {
  hub_.transact([&](Database& database) {
    database.run("UPDATE jobs SET state = 'stopped', stop_asked = 0, message = 'stopped', finished_ms = ?1 WHERE state = 'running' AND stop_asked <> 0", hub_.clock_.now_ms());
    database.run("UPDATE jobs SET state = 'interrupted', finished_ms = ?2, message = 'the hub ended while this job ran, again and again; resume it when you know why' "
                 "WHERE state = 'running' AND starts >= ?1",
                 kStartsMax, hub_.clock_.now_ms());
    database.run("UPDATE jobs SET state = 'queued', message = 'the hub was restarted; the job goes on from its last checkpoint' WHERE state = 'running'");
  });
}

std::vector<std::string> Jobs::take_old() {
  std::vector<std::string> out;
  hub_.transact([&](Database& database) {
    out.clear();
    std::vector<int64_t> rows_to_go;
    {
      Rows rows = database.query("SELECT j.id, j.public_id, j.owner_id FROM jobs j WHERE j.state <> 'queued' AND j.state <> 'running' ORDER BY j.owner_id, j.id DESC");
      int64_t owner = 0;
      size_t kept = 0;
      while (rows.step()) {
        kept = rows.integer(2) == owner ? kept + 1 : 1;
        owner = rows.integer(2);
        if (kept <= kKeptPerOwner) continue;
        rows_to_go.push_back(rows.integer(0));
        out.push_back(rows.text(1));
      }
    }
    for (const int64_t row : rows_to_go) database.run("DELETE FROM jobs WHERE id = ?1", row);
  });
  return out;
}

}  // namespace lyceum::hub
