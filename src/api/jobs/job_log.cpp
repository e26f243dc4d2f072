#include "api/jobs/job_log.h"

#include <fcntl.h>

#include "base/bytes.h"
#include "base/files.h"
#include "base/json.h"
#include "hub/names.h"

namespace lyceum::api {
namespace {

constexpr std::string_view kFile = "log.jsonl", kOlder = "log.1.jsonl";

void read_lines(const fs::path& path, uint64_t after, std::vector<LogLine>& out) {
  if (!fs::exists(path)) return;
  const std::string text = read_file(path, 4 * JobLog::kFileBytesMax);
  for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {   // a line without its end is still being written
    const json::value value = parse_json(std::string_view(text).substr(at, end - at), "a job's log");
    const json::object& line = get_object(value, "a job's log");
    const auto number = static_cast<uint64_t>(get_int(line, "n"));
    if (number > after) out.push_back({number, get_int(line, "t"), get_string(line, "m")});
  }
}

std::string as_line_text(std::string_view text) {
  std::string out(text.substr(0, JobLog::kLineBytesMax));
  for (int i = 0; i < 4 && !hub::is_utf8(out) && !out.empty(); ++i) out.pop_back();
  return hub::is_utf8(out) ? out : "(not text)";
}

}  // namespace

JobLog::JobLog(fs::path folder) : folder_(std::move(folder)) {
  const std::vector<LogLine> lines = read_job_log(folder_);
  if (!lines.empty()) next_ = lines.back().number + 1;
}

void JobLog::add(int64_t at_ms, std::string_view text) {
  const fs::path path = folder_ / kFile;
  std::error_code none;
  if (fs::file_size(path, none) > kFileBytesMax && !none) fs::rename(path, folder_ / kOlder);
  const UniqueFd fd = open_file(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC);
  write_all(fd.get(), as_bytes(json::serialize(json::object{{"n", next_++}, {"t", at_ms}, {"m", as_line_text(text)}}) + "\n"), path);
}

std::vector<LogLine> read_job_log(const fs::path& folder, uint64_t after) {
  std::vector<LogLine> out;
  read_lines(folder / kOlder, after, out);
  read_lines(folder / kFile, after, out);
  return out;
}

}  // namespace lyceum::api
