#include "api/git/git_program.h"

namespace lyceum::api {

ProcessOptions git_program(const std::filesystem::path& folder, std::vector<std::string> arguments, const std::vector<std::string>& environment,
                           const std::vector<std::string>& settings) {
  ProcessOptions out;
  // safe.directory: the data folder may belong to another user than the one the server runs as (containers).
  out.arguments = {"git", "-c", "safe.directory=*", "-c", "core.fsync=all", "-c", "gc.auto=0", "-c", "receive.autogc=false"};
  for (const std::string& setting : settings) {
    out.arguments.push_back("-c");
    out.arguments.push_back(setting);
  }
  out.arguments.push_back("--git-dir=" + folder.string());
  out.arguments.insert(out.arguments.end(), arguments.begin(), arguments.end());
  out.environment = {"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "HOME=/nonexistent"};
  out.environment.insert(out.environment.end(), environment.begin(), environment.end());
  return out;
}

}  // namespace lyceum::api
