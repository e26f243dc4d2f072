#include "api/git/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace lyceum::api {
namespace {

struct Pipe {
  UniqueFd read, write;
};

// Both ends above every number that the child maps, so that mapping one cannot overwrite another.
Pipe make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) throw Error(Code::internal, std::string("cannot make a pipe: ") + std::strerror(errno));
  const UniqueFd low_read(fds[0]), low_write(fds[1]);
  Pipe out{UniqueFd(::fcntl(fds[0], F_DUPFD_CLOEXEC, 16)), UniqueFd(::fcntl(fds[1], F_DUPFD_CLOEXEC, 16))};
  if (!out.read.valid() || !out.write.valid()) throw Error(Code::internal, "cannot make a pipe: too many open files");
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

std::string from_environment(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return std::string(name) + "=" + (value ? value : fallback);
}

}  // namespace

Process::Process(const ProcessOptions& options) {
  Pipe in = make_pipe(), out = make_pipe();
  Pipe from_hook, to_hook;
  if (options.hook_channel) from_hook = make_pipe(), to_hook = make_pipe();

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.read.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, out.write.get(), 1);
  if (options.hook_channel) {
    posix_spawn_file_actions_adddup2(&actions, from_hook.write.get(), 3);
    posix_spawn_file_actions_adddup2(&actions, to_hook.read.get(), 4);
  }
  posix_spawn_file_actions_addclosefrom_np(&actions, options.hook_channel ? 5 : 3);

  // The server may ignore SIGPIPE, and it blocks its stop signals in every thread: git must not inherit either, or it could not be
  // stopped and would not notice a reader that has gone. Its own group lets kill() reach the helpers it starts.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  for (const int stop : {SIGPIPE, SIGTERM, SIGINT, SIGHUP}) sigaddset(&defaults, stop);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);

  std::vector<std::string> arguments = options.arguments, environment = options.environment;
  environment.push_back(from_environment("PATH", "/usr/local/bin:/usr/bin:/bin"));
  environment.push_back("LANG=C.UTF-8");
  const int error = ::posix_spawnp(&pid_, arguments[0].c_str(), &actions, &attributes, pointers(arguments).data(), pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    pid_ = -1;
    throw Error(Code::internal, "cannot start " + arguments[0] + ": " + std::strerror(error) + "; is it installed?");
  }
  input_ = std::move(in.write);
  output_ = std::move(out.read);
  hook_read_ = std::move(from_hook.read);
  hook_write_ = std::move(to_hook.write);
}

Process::~Process() {
  kill();
  if (pid_ > 0) wait();
}

bool Process::write(std::string_view bytes) {
  // A program that stops reading must not kill us: SIGPIPE is blocked round the write.
  sigset_t pipe_signal, before;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  bool open = true;
  while (!bytes.empty()) {
    const ssize_t written = ::write(input_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const timespec none{};
      if (errno == EPIPE) sigtimedwait(&pipe_signal, nullptr, &none);
      open = false;
      break;
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return open;
}

void Process::close_input() { input_.reset(); }

size_t Process::read(char* into, size_t size) {
  while (true) {
    const ssize_t got = ::read(output_.get(), into, size);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) throw Error(Code::internal, std::string("cannot read from a program: ") + std::strerror(errno));
  }
}

std::string Process::read_all(size_t limit_bytes) {
  std::string out;
  char buffer[1 << 16];
  while (const size_t got = read(buffer, sizeof buffer)) {
    out.append(buffer, got);
    if (out.size() > limit_bytes) throw Error(Code::too_large, "a program's output is over " + std::to_string(limit_bytes) + " bytes");
  }
  return out;
}

int Process::wait() {
  if (pid_ < 0) return 0;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void Process::terminate() noexcept {
  if (pid_ > 0) ::kill(-pid_, SIGTERM);
}

void Process::kill() noexcept {
  if (pid_ > 0) ::kill(-pid_, SIGKILL);
}

}  // namespace lyceum::api
