#include "api/openai/engine_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"

extern char** environ;

namespace lyceum::api {
namespace {

constexpr size_t kLinesKept = 12;
constexpr size_t kLineMax = 500;
constexpr auto kEndPatience = std::chrono::seconds(5);

void make_pipe(UniqueFd& read_end, UniqueFd& write_end) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) throw Error(Code::unavailable, std::string("Cannot start an engine: ") + std::strerror(errno));
  read_end.reset(fds[0]);
  write_end.reset(fds[1]);
}

std::string describe_end(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return fmt::format("exit status {}", info.si_status);
  return fmt::format("signal {} ({}){}", info.si_status, ::strsignal(info.si_status), info.si_status == SIGKILL ? ", as when memory runs out" : "");
}

// The child must not inherit what the hub ignores or blocks.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    posix_spawnattr_init(&value);
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&value, &all);
    posix_spawnattr_setsigmask(&value, &none);
    posix_spawnattr_setpgroup(&value, 0);  // Ctrl-C in the hub's terminal is the hub's business
    posix_spawnattr_setflags(&value, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnAttributes() { posix_spawnattr_destroy(&value); }
  posix_spawnattr_t value;
};

}  // namespace

EngineManager::Process::Process(EngineLock& lock, const EngineManagerOptions& options, const EngineRequest& request, uint64_t expected_memory,
                                const std::filesystem::path& given_socket)
    : key(request.key), label(request.label), memory(expected_memory), socket(given_socket), pinned(request.pinned), last_used(monotonic_seconds()), lock_(lock) {
  std::vector<std::string> arguments{options.program, "engine", "--socket", socket.string(), "--model", request.model.string(), "--name", label, "--lifeline"};
  if (!request.draft.empty()) arguments.insert(arguments.end(), {"--draft", request.draft.string()});
  arguments.insert(arguments.end(), options.extra_arguments.begin(), options.extra_arguments.end());
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);

  UniqueFd child_input, child_output;
  make_pipe(child_input, lifeline_);
  make_pipe(output_, child_output);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, child_input.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, child_output.get(), STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&actions, child_output.get(), STDOUT_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  const SpawnAttributes attributes;
  const int error = ::posix_spawn(&pid, options.program.c_str(), &actions, &attributes.value, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw Error(Code::unavailable, fmt::format("Cannot start an engine for {}: {}", label, std::strerror(error)));
  listener_ = std::thread([this] { listen(); });
}

EngineManager::Process::~Process() {
  {
    std::unique_lock lock(lock_.mutex);
    ask_to_end();
    if (!lock_.changed.wait_for(lock, kEndPatience, [this] { return phase == Phase::dead; })) ::kill(pid, SIGKILL);
  }
  listener_.join();
  std::error_code ignored;
  std::filesystem::remove(socket, ignored);
}

void EngineManager::Process::ask_to_end() {
  if (phase == Phase::dead) return;
  lifeline_.reset();
  ::kill(pid, SIGTERM);
}

std::string EngineManager::Process::last_words() const {
  std::string text = end;
  for (const std::string& line : lines_) text += "\n" + line;
  return text;
}

void EngineManager::Process::listen() {
  std::string pending;
  char piece[4096];
  while (true) {
    const ssize_t got = ::read(output_.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    pending.append(piece, static_cast<size_t>(got));
    for (size_t at; (at = pending.find('\n')) != std::string::npos || pending.size() > kLineMax;) {
      const std::string line = pending.substr(0, std::min(at, kLineMax));
      pending.erase(0, at == std::string::npos ? kLineMax : at + 1);
      std::fprintf(stderr, "%s\n", line.c_str());
      const std::lock_guard lock(lock_.mutex);
      lines_.push_back(line);
      if (lines_.size() > kLinesKept) lines_.pop_front();
    }
  }
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  const std::lock_guard lock(lock_.mutex);
  ::waitpid(pid, nullptr, 0);  // under the lock, so that nobody signals a number that may be another process by now
  if (!pending.empty()) lines_.push_back(pending.substr(0, kLineMax));
  end = describe_end(info);
  phase = Phase::dead;
  died_at = monotonic_seconds();
  lock_.changed.notify_all();
}

}  // namespace lyceum::api
