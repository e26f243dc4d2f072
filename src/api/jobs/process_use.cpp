#include "api/jobs/process_use.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string>

namespace lyceum::api {
namespace {

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

uint64_t number_in(std::string_view text) {
  uint64_t value = 0;
  const size_t start = text.find_first_of("0123456789");
  if (start != std::string_view::npos) std::from_chars(text.data() + start, text.data() + text.size(), value);
  return value;
}

}  // namespace

ProcessUse read_process_use(int pid) {
  ProcessUse out;
  const std::string folder = "/proc/" + std::to_string(pid), status = read_text(folder + "/status");
  if (const size_t at = status.find("VmRSS:"); at != std::string::npos) out.resident = number_in(std::string_view(status).substr(at)) << 10;
  const std::string stat = read_text(folder + "/stat");
  std::istringstream fields(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));   // the name before may hold anything
  std::string word;
  uint64_t ticks = 0;
  for (int field = 3; field <= 15 && fields >> word; ++field) {
    if (field >= 14) ticks += number_in(word);
  }
  out.cpu_seconds = static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return out;
}

}  // namespace lyceum::api
