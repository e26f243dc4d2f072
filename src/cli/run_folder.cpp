#include "cli/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "base/clock.h"
#include "base/progress.h"
#include "base/random.h"
#include "cli/plan_view.h"

extern char** environ;

namespace lyceum::cli {
namespace {

volatile std::sig_atomic_t interrupted = 0;

struct Child {
  pid_t pid = -1;
  UniqueFd out, err;
};

Child start_job(const fs::path& run_folder, const JobRun& options) {
  int out[2], err[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) throw_errno("make a pipe for", run_folder);
  std::vector<std::string> words = {"lyceum", "job", "--run", run_folder.string(), "--threads", std::to_string(options.threads)};
  if (options.dry_run) words.emplace_back("--dry-run");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_adddup2(&actions, err[1], 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);  // Ctrl-C reaches this process only, which then asks politely
  Child child;
  const int status = ::posix_spawn(&child.pid, "/proc/self/exe", &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(out[1]);
  ::close(err[1]);
  child.out.reset(out[0]);
  child.err.reset(err[0]);
  if (status != 0) throw Error(Code::internal, "cannot start the job process");
  return child;
}

std::string read_to_end(int fd) {
  std::string all;
  char buffer[4096];
  for (ssize_t got = 1; got > 0 || (got < 0 && errno == EINTR);) {
    got = ::read(fd, buffer, sizeof buffer);
    if (got > 0) all.append(buffer, static_cast<size_t>(got));
  }
  return all;
}

// Draws what the job reports, phase by phase.
class JobView {
 public:
  JobView(fs::path run_folder, const Globals& globals) : run_folder_(std::move(run_folder)), quiet_(globals.json || globals.quiet) {}

  void show(const json::object& event) {
    const std::string phase = get_string(event, "phase");
    if (phase != "train") {
      bar_.reset();
      if (!quiet_) std::cerr << phase << ": " << find_string(event, "message").value_or("") << "\n";
      return;
    }
    const auto steps = static_cast<uint64_t>(get_int(event, "steps"));
    if (!bar_) {
      if (!quiet_) print_data_report(run_folder_);
      bar_ = std::make_unique<Progress>("Training", steps, Progress::Unit::count, quiet_);
    }
    bar_->set(static_cast<uint64_t>(get_int(event, "step")),
              fmt::format("loss {:.3f}, {:.0f} tokens/s, {} left", find_number(event, "loss").value_or(0),
                          find_number(event, "tokens_per_second").value_or(0), human_duration(find_number(event, "seconds_left").value_or(0))));
  }

 private:
  fs::path run_folder_;
  bool quiet_;
  std::unique_ptr<Progress> bar_;
};

Code code_of_exit(int status) {
  for (const Code code : {Code::invalid_argument, Code::not_found, Code::forbidden, Code::conflict, Code::unprocessable, Code::unavailable, Code::storage_full}) {
    if (exit_code(code) == status) return code;
  }
  return Code::internal;
}

[[noreturn]] void throw_job_failure(int wait_status, const std::string& errors, const fs::path& run_folder) {
  if (WIFSIGNALED(wait_status)) {
    throw Error(Code::internal, fmt::format("the job process was ended by signal {}{}; its run folder is {}, and --resume goes on from the last checkpoint",
                                            WTERMSIG(wait_status), WTERMSIG(wait_status) == SIGKILL ? " (out of memory?)" : "", run_folder.string()));
  }
  const size_t start = errors.rfind("error: ");
  std::string message = start == std::string::npos ? "the job process failed: " + errors.substr(errors.size() - std::min<size_t>(errors.size(), 500)) : errors.substr(start + 7);
  while (!message.empty() && message.back() == '\n') message.pop_back();
  throw Error(code_of_exit(WEXITSTATUS(wait_status)), message);
}

}  // namespace

fs::path make_run_folder(const std::string& label) {
  std::string name = iso8601(SystemClock().now_ms()).substr(0, 19) + "-" + label + "-" + secure_alphanumeric(4);
  std::replace(name.begin(), name.end(), ':', '.');
  std::replace(name.begin(), name.end(), '/', '-');
  const fs::path folder = cache_folder().parent_path() / "runs" / name;
  fs::create_directories(folder);
  return folder;
}

DataSource open_data(const std::string& text, const fs::path& run_folder, const Globals& globals) {
  if (fs::exists(text)) {
    const fs::path path = fs::canonical(text);
    return {path, "", "", "private data (" + path.filename().string() + ")"};
  }
  if (text.find("://") != std::string::npos || text.starts_with("git@")) {
    const fs::path target = run_folder / "data";
    if (!fs::exists(target)) {
      const pid_t pid = ::fork();
      if (pid == 0) {
        ::execlp("git", "git", "clone", "--quiet", "--", text.c_str(), target.c_str(), nullptr);
        ::_exit(127);
      }
      int status = 0;
      ::waitpid(pid, &status, 0);
      if (status != 0) throw Error(Code::unavailable, "git could not clone " + text + "; its message is above");
    }
    return {target, "", "", "a git repository"};
  }
  const RepoName repo = parse_repo_name(text, "dataset");
  HubClient hub(globals);
  const Snapshot snapshot = pull_snapshot(hub, repo, globals);
  DataSource source{snapshot.folder, repo.id, snapshot.commit, "dataset " + repo.id};
  // A dataset repository of chats: its one JSON Lines file is the data; card and settings files are not.
  std::vector<fs::path> lines;
  for (const auto& entry : fs::directory_iterator(snapshot.folder)) {
    if (entry.path().extension() == ".jsonl") lines.push_back(entry.path());
  }
  if (lines.size() == 1) source.path = lines.front();
  return source;
}

json::object run_job_process(const fs::path& run_folder, const JobRun& options, const Globals& globals) {
  fs::remove(run_folder / "cancel");
  interrupted = 0;
  struct sigaction action {}, before {};
  action.sa_handler = [](int) { interrupted = 1; };
  ::sigaction(SIGINT, &action, &before);
  const Child child = start_job(run_folder, options);
  JobView view(run_folder, globals);
  json::object result;
  std::string pending;
  char buffer[4096];
  while (true) {
    const ssize_t got = ::read(child.out.get(), buffer, sizeof buffer);
    if (interrupted != 0) {
      write_file_durable(run_folder / "cancel", "");
      interrupted = 0;
      if (!globals.json) std::cerr << "\nstopping after this step; go on later with --resume " << run_folder.string() << "\n";
    }
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    pending.append(buffer, static_cast<size_t>(got));
    for (size_t end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
      const json::value line = parse_json(std::string_view(pending).substr(0, end), "job event");
      pending.erase(0, end + 1);
      if (const json::object* done = find_object(line.as_object(), "result")) {
        result = *done;
      } else {
        view.show(line.as_object());
      }
    }
  }
  const std::string errors = read_to_end(child.err.get());
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) continue;
  ::sigaction(SIGINT, &before, nullptr);
  if (status != 0) throw_job_failure(status, errors, run_folder);
  if (find_bool(result, "cancelled").value_or(false)) {
    throw Error(Code::unavailable, "stopped; go on with --resume " + run_folder.string());
  }
  return result;
}

void print_data_report(const fs::path& run_folder) {
  const fs::path path = run_folder / "data_report.json";
  if (!fs::exists(path)) return;
  const json::value report = parse_json(read_file(path), "data_report.json");
  std::cerr << plan_text(get_object(report, "data_report.json"), {.sample = false, .colour = false});
}

CommitResult publish_output(HubClient& hub, const RepoName& repo, const fs::path& run_folder, bool is_private, const std::string& summary, const Globals& globals) {
  std::vector<UploadFile> files;
  uint64_t total = 0;
  for (const auto& entry : fs::recursive_directory_iterator(run_folder / "output")) {
    if (!entry.is_regular_file()) continue;
    files.push_back({fs::relative(entry.path(), run_folder / "output").generic_string(), entry.path(), ""});
    total += entry.file_size();
  }
  std::sort(files.begin(), files.end(), [](const UploadFile& a, const UploadFile& b) { return a.path < b.path; });
  hub.create_repo(repo, is_private);
  Progress progress("Publishing " + repo.id, total, Progress::Unit::bytes, globals.json || globals.quiet);
  uint64_t done = 0;
  const CommitResult result = hub.commit(repo, files, summary, [&](uint64_t bytes) { progress.set(done += bytes); });
  progress.set(total);
  return result;
}

void apply_settings(json::object& recipe, const std::vector<std::string>& pairs) {
  for (const std::string& pair : pairs) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos) throw Error(Code::invalid_argument, "--set needs key=value, not '" + pair + "'");
    const std::string value = pair.substr(equals + 1);
    json::error_code error;
    json::value parsed = json::parse(value, error);
    recipe[pair.substr(0, equals)] = error ? json::value(value) : parsed;
  }
}

json::object load_recipe_object(const std::string& path) {
  return path.empty() ? json::object{} : tuning::recipe_to_json(tuning::load_recipe(path));
}

}  // namespace lyceum::cli
