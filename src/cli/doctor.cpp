#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <thread>

#include "base/clock.h"
#include "base/memory.h"
#include "base/progress.h"
#include "cli/hub_client.h"
#include "cli/settings.h"
#include "http/tls.h"

namespace lyceum::cli {
namespace {

struct Args {
  bool settings = false;
  std::string tls_cert;
};

struct Finding {
  std::string name, value;
  bool fine = true;
  std::string remedy;
};

std::string cpu_features() {
  std::string out;
  const auto add = [&](const char* name, bool present) {
    if (present) out += (out.empty() ? "" : " ") + std::string(name);
  };
  add("avx2", __builtin_cpu_supports("avx2") != 0);
  add("fma", __builtin_cpu_supports("fma") != 0);
  add("avx512f", __builtin_cpu_supports("avx512f") != 0);
  add("avx512vnni", __builtin_cpu_supports("avx512vnni") != 0);
  return out.empty() ? "none" : out;
}

Finding find_program(const std::string& name, const std::string& why) {
  const char* path = std::getenv("PATH");
  std::string rest = path == nullptr ? "" : path;
  for (size_t start = 0; start <= rest.size();) {
    const size_t colon = std::min(rest.find(':', start), rest.size());
    const fs::path candidate = fs::path(rest.substr(start, colon - start)) / name;
    if (::access(candidate.c_str(), X_OK) == 0) return {name, candidate.string(), true, ""};
    start = colon + 1;
  }
  return {name, "missing", false, why};
}

Finding memory() {
  const MemoryState state = read_memory_state();
  return {"memory", human_bytes(state.available) + " available of " + human_bytes(state.total), state.total >= (4ULL << 30), "less than 4 GiB: only very small models will fit"};
}

Finding disk(const fs::path& folder) {
  struct statvfs info {};
  fs::path existing = fs::absolute(folder);
  while (!fs::exists(existing) && existing.has_relative_path()) existing = existing.parent_path();
  if (::statvfs(existing.c_str(), &info) != 0) return {"disk", "unknown", false, "cannot read " + existing.string()};
  const uint64_t free = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  return {"disk", human_bytes(free) + " free at " + existing.string(), free >= (2ULL << 30), "free some space, or choose --data elsewhere"};
}

Finding file_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return {"open files", std::to_string(limit.rlim_max) + " at most", limit.rlim_max >= 16'384,
          "every connection needs one: raise the limit (ulimit -Hn, LimitNOFILE= in the systemd unit)"};
}

Finding tls(const std::string& certificate) {
  if (certificate.empty()) return {"TLS", "no certificate given (--tls-cert)", true, ""};
  try {
    const int64_t left_days = (http::certificate_expiry_ms(certificate) - SystemClock().now_ms()) / (24 * 3600 * 1000);
    return {"TLS", certificate + " is good for " + std::to_string(left_days) + " days", left_days >= 14, "renew it; the server reads it again by itself"};
  } catch (const Error& error) {
    return {"TLS", "unusable", false, error.what()};
  }
}

Finding server(const Globals& globals) {
  try {
    HubClient hub(globals);
    hub.get("/api/lyceum/stats");
    return {"server", "answers at " + hub.endpoint(), true, ""};
  } catch (const Error& error) {
    return {"server", "no answer at " + globals.endpoint, false, error.what()};
  }
}

int doctor(const Args& args, const Globals& globals) {
  if (args.settings) {
    std::cout << settings_markdown();
    return 0;
  }
  const std::vector<Finding> findings = {
      {"cores", std::to_string(std::thread::hardware_concurrency()), true, ""},
      {"vector instructions", cpu_features(), __builtin_cpu_supports("avx2") != 0, "without AVX2 the plain kernels run: correct, but slow"},
      memory(),
      disk(globals.data.empty() ? "." : globals.data),
      file_limit(),
      tls(args.tls_cert),
      find_program("git", "needed for git clone and push: apt-get install git"),
      find_program("git-lfs", "needed by people who clone with git: apt-get install git-lfs"),
      server(globals),
  };
  bool fine = true;
  json::array rows;
  for (const Finding& finding : findings) {
    fine = fine && finding.fine;
    rows.push_back({{"name", finding.name}, {"value", finding.value}, {"ok", finding.fine}, {"remedy", finding.remedy}});
    if (globals.json) continue;
    std::cout << (finding.fine ? "ok    " : "look  ") << finding.name << ": " << finding.value;
    if (!finding.fine) std::cout << " (" << finding.remedy << ")";
    std::cout << "\n";
  }
  if (globals.json) print_json(json::object{{"ok", fine}, {"checks", rows}});
  return 0;
}

}  // namespace

void configure_doctor(Options& options, const Globals& globals, Run& run) {
  auto args = std::make_shared<Args>();
  options.add_flag("--settings", args->settings, "print every setting as Markdown: flag, environment variable, default, meaning");
  options.add_option("--tls-cert", args->tls_cert, "the server's TLS certificate, to see when it ends").envname("LYCEUM_TLS_CERT");
  options.callback([args, &globals, &run] { run = [args, &globals] { return doctor(*args, globals); }; });
}

}  // namespace lyceum::cli
