// The git program does the protocol; we carry bytes. A push passes our pre-receive hook, which sends what was pushed through
// descriptor 3 and waits on descriptor 4 for the answer of find_push_refusal(). A hook that talks over descriptors needs no second
// program that opens the database, and no path or secret: only the process we started has them.
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <thread>

#include <fcntl.h>

#include "api/answer.h"
#include "api/git/git_program.h"
#include "api/git/handlers.h"
#include "api/git/process.h"
#include "api/git/push_check.h"
#include "api/services.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/random.h"
#include "git/pkt_line.h"
#include "hub/discussions.h"

namespace lyceum::api {
namespace {

constexpr size_t kAdvertisementLimit = 256u << 20, kWantsLimit = 64u << 20, kReportLimit = 64u << 20, kHookMessageLimit = 64u << 20;
constexpr size_t kCommandsLimit = 1u << 20;
constexpr uint64_t kPushLimit = 8ull << 30;

constexpr std::string_view kPreReceive = R"(#!/bin/sh
# Written by Lyceum: asks the server that started this git whether the push may enter.
{
  [ -n "$GIT_OBJECT_DIRECTORY" ] && printf 'GIT_OBJECT_DIRECTORY=%s\n' "$GIT_OBJECT_DIRECTORY"
  [ -n "$GIT_ALTERNATE_OBJECT_DIRECTORIES" ] && printf 'GIT_ALTERNATE_OBJECT_DIRECTORIES=%s\n' "$GIT_ALTERNATE_OBJECT_DIRECTORIES"
  echo refs
  cat
  echo end
} >&3
while IFS= read -r line <&4; do
  case "$line" in
    accept) exit 0 ;;
    refuse) exit 1 ;;
    *) printf '%s\n' "${line#|}" >&2 ;;
  esac
done
exit 1
)";

// Only the versions git knows; the text becomes an environment variable.
std::vector<std::string> protocol_of(const http::Request& request) {
  const auto header = request.headers.find("Git-Protocol");
  if (header && (*header == "version=2" || *header == "version=1")) return {"GIT_PROTOCOL=" + std::string(*header)};
  return {};
}

bool is_version_2(const http::Request& request) { return request.headers.find("Git-Protocol").value_or("") == "version=2"; }

// Pull-request refs would burden every clone of protocol 0; protocol 2 clients name what they want.
std::vector<std::string> upload_settings(const http::Request& request) {
  std::vector<std::string> out{"uploadpack.allowFilter=true", "uploadpack.allowReachableSHA1InWant=true", "uploadpack.allowTipSHA1InWant=true"};
  if (!is_version_2(request)) out.emplace_back("uploadpack.hideRefs=refs/pr");
  return out;
}

http::Response git_answer(std::string body, std::string_view type) {
  http::Response response = http::Response::text(std::move(body), 200, type);
  response.headers.set("Cache-Control", "no-cache, max-age=0, must-revalidate");
  return response;
}

// git skips a hook that it cannot execute, so that must never happen: the file appears whole and executable, or not at all.
fs::path hooks_folder(const hub::Hub& hub) {
  const fs::path folder = hub.data_folder() / "hooks", hook = folder / "pre-receive";
  std::error_code ignored;
  if (!fs::exists(hook, ignored) || read_file(hook) != kPreReceive) {
    make_folders_durable(folder);
    const fs::path fresh = folder / ("pre-receive." + std::to_string(::getpid()) + "." + std::to_string(std::hash<std::thread::id>{}(std::this_thread::get_id())));
    const UniqueFd fd = open_file(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    write_all(fd.get(), as_bytes(kPreReceive), fresh);
    ::fchmod(fd.get(), 0755);
    fsync_file(fd.get(), fresh);
    rename_durable(fresh, hook);
  }
  if (::access(hook.c_str(), X_OK) != 0)
    throw Error(Code::internal, hook.string() + " cannot be executed, so pushes cannot be checked; the data folder must not be mounted noexec.");
  return folder;
}

// Reads what the hook sends up to its "end" line; empty if git ended without calling it.
std::string read_hook_message(int fd) {
  std::string out;
  char buffer[1 << 14];
  while (!out.ends_with("\nend\n")) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return "";
    out.append(buffer, static_cast<size_t>(got));
    if (out.size() > kHookMessageLimit) return "";
  }
  return out;
}

void answer_hook(int fd, const std::string& refusal) {
  std::string answer;
  for (size_t begin = 0; begin < refusal.size();) {
    const size_t end = std::min(refusal.find('\n', begin), refusal.size());
    answer += "|" + refusal.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  answer += refusal.empty() ? "accept\n" : "refuse\n";
  // The hook holds the other end open until it has read this; a killed hook closes it, and nothing is left to tell.
  [[maybe_unused]] const ssize_t written = ::write(fd, answer.data(), answer.size());
}

// The client's request, on disk: the repository is locked only while git works, not while a slow line delivers.
class Spool {
 public:
  Spool(const hub::Hub& hub, http::BodyStream* body) : path_(hub.data_folder() / "staging" / ("push-" + secure_alphanumeric(20))) {
    file_ = open_file(path_, O_RDWR | O_CREAT | O_EXCL, 0600);
    std::array<std::byte, 1 << 16> buffer;
    uint64_t total = 0;
    while (body) {
      const size_t got = body->read(buffer);
      if (got == 0) break;
      total += got;
      if (total > kPushLimit) throw Error(Code::too_large, "This push is over " + human_bytes(kPushLimit) + "; track large files with git-lfs.");
      write_all(file_.get(), Bytes(buffer.data(), got), path_);
    }
  }
  ~Spool() { ::unlink(path_.c_str()); }
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  size_t read(std::span<char> into, uint64_t offset) const {
    const ssize_t got = ::pread(file_.get(), into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0) throw_errno("read", path_);
    return static_cast<size_t>(got);
  }
  std::string head(size_t size) const {
    std::string out(size, '\0');
    out.resize(read(out, 0));
    return out;
  }

 private:
  fs::path path_;
  UniqueFd file_;
};

// To be answered at all: the right to write, or a pull request of one's own. begin_push() and find_rights_refusal() ask which.
void require_push(hub::Hub& hub, const hub::Caller& caller, const hub::Repo& repo) {
  const auto opened = [&] {
    const hub::DiscussionQuery query{.type = "pull_request", .status = "all", .author = caller.user->name, .limit = 1, .offset = 0};
    return !hub.discussions().list(repo, query, nullptr).empty();
  };
  if (!caller.user || !caller.may_write() || !opened()) hub.require_write(caller, repo.repo_id);
}

// Asked while the push is in quarantine, as a push that a crash interrupts is adopted with nobody's rights.
std::string find_rights_refusal(hub::Hub& hub, const hub::Caller& caller, const hub::RepoId& id, const PushedRefs& pushed) {
  std::string out;
  for (const auto& update : pushed.updates) {
    try {
      if (update.ref.starts_with("refs/pr/")) hub.require_commit(caller, id, update.ref);
      else hub.require_write(caller, id);
    } catch (const Error& error) {
      out += update.ref + ": " + error.what() + "\n";
    }
  }
  return out;
}

// git receive-pack, the thread that answers its hook, and the thread that gathers its report.
class ReceivePack {
 public:
  ReceivePack(hub::Hub& hub, const hub::Caller& caller, const hub::Repo& repo)
      : hub_(hub), caller_(caller), repo_(repo), folder_(hub.git_folder(repo)), process_(options(hub, folder_)), hook_([this] { serve_hook(); }), reader_([this] { gather_report(); }) {}

  std::string run(const Spool& request) {
    std::array<char, 1 << 16> buffer;
    uint64_t offset = 0;
    while (const size_t got = request.read(buffer, offset)) {
      if (!process_.write({buffer.data(), got})) break;
      offset += got;
    }
    process_.close_input();
    reader_.join();
    hook_.join();
    process_.wait();
    return std::move(report_);
  }

 private:
  static ProcessOptions options(const hub::Hub& hub, const fs::path& folder) {
    ProcessOptions out = git_program(folder, {"receive-pack", "--stateless-rpc", folder.string()}, {},
                                     {"core.hooksPath=" + hooks_folder(hub).string(), "receive.fsckObjects=true", "receive.denyDeleteCurrent=refuse"});
    out.hook_channel = true;
    return out;
  }

  void serve_hook() {
    std::string refusal;
    try {
      const std::string message = read_hook_message(process_.hook_read_fd());
      if (message.empty()) return;
      const PushedRefs pushed = parse_hook_message(message);
      refusal = find_rights_refusal(hub_, caller_, repo_.repo_id, pushed) + find_push_refusal(hub_, folder_, pushed);
    } catch (const std::exception& error) {
      log::error("checking a push to {}: {}", repo_.repo_id.full_name(), error.what());
      refusal = std::string("the push could not be checked: ") + error.what() + "\n";
    }
    answer_hook(process_.hook_write_fd(), refusal);
  }

  void gather_report() {
    try {
      report_ = process_.read_all(kReportLimit);
    } catch (const std::exception& error) {
      log::error("push to {}: {}", repo_.repo_id.full_name(), error.what());
      process_.kill();
    }
  }

  hub::Hub& hub_;
  const hub::Caller& caller_;
  const hub::Repo& repo_;
  const fs::path folder_;
  Process process_;
  std::string report_;
  std::jthread hook_, reader_;
};

}  // namespace

http::Response advertise_refs(Context& context) {
  const std::string service = context.request.find_query("service").value_or("");
  if (service != "git-upload-pack" && service != "git-receive-pack")
    throw Error(Code::forbidden, "Only git's smart protocol is served here; upgrade git.");
  const bool push = service == "git-receive-pack";
  if (push) {
    if (!context.caller.user) throw Error(Code::unauthorized, "Sign in to push: use an access token as the password.");
    require_push(context.services.hub, context.caller, *context.repo);
  }
  context.services.hub.require_content(context.caller, *context.repo);
  const fs::path folder = context.services.hub.git_folder(*context.repo);
  const std::vector<std::string> settings = push ? std::vector<std::string>{} : upload_settings(context.request);
  Process process(git_program(folder, {service.substr(4), "--stateless-rpc", "--advertise-refs", folder.string()},
                              push ? std::vector<std::string>{} : protocol_of(context.request), settings));
  process.close_input();
  std::string refs = process.read_all(kAdvertisementLimit);
  if (process.wait() != 0) throw Error(Code::internal, "git could not read " + context.repo->repo_id.full_name());
  const bool announce = push || !is_version_2(context.request);
  const std::string prefix = announce ? git::pkt_line("# service=" + service + "\n") + std::string(git::kFlushPkt) : "";
  return git_answer(prefix + refs, "application/x-" + service + "-advertisement");
}

http::Response upload_pack(Context& context) {
  const fs::path folder = context.services.hub.git_folder(*context.repo);
  const ProcessOptions options =
      git_program(folder, {"upload-pack", "--stateless-rpc", folder.string()}, protocol_of(context.request), upload_settings(context.request));
  http::Response response = git_answer("", "application/x-git-upload-pack-result");
  response.stream = [options, wants = read_body(context, kWantsLimit)](http::BodyWriter& writer) {
    Process process(options);
    std::jthread feeder([&] {
      process.write(wants);
      process.close_input();
    });
    try {
      std::array<char, 1 << 16> buffer;
      while (const size_t got = process.read(buffer.data(), buffer.size())) writer.write({buffer.data(), got});
    } catch (...) {
      process.kill();  // the client has gone; the feeder must not wait for git
      throw;
    }
    feeder.join();
    if (const int status = process.wait(); status != 0 && status != 128) log::warn("git upload-pack ended with status {}", status);
  };
  return response;
}

http::Response receive_pack(Context& context) {
  hub::Hub& hub = context.services.hub;
  require_push(hub, context.caller, *context.repo);
  hub.require_content(context.caller, *context.repo);
  const Spool request(hub, context.request.body);
  const std::string head = request.head(kCommandsLimit);
  constexpr std::string_view type = "application/x-git-receive-pack-result";
  if (head == git::kFlushPkt) return git_answer("", type);  // git asks whether it may, before it sends a large pack
  const auto push = hub.begin_push(context.caller, context.repo->repo_id);
  std::string report = ReceivePack(hub, context.caller, *context.repo).run(request);
  try {
    push->finish();
  } catch (const Error& error) {
    if (error.code() != Code::unprocessable && error.code() != Code::forbidden) throw;
    report = git::refused_push_report(git::parse_push_head(head), error.what());
  }
  return git_answer(std::move(report), type);
}

}  // namespace lyceum::api
