// job_log.h: what a job said, line by line with times, in two files of at most kFileBytesMax each (log.jsonl, and log.1.jsonl before it):
// the oldest lines leave first. One writer; any number of readers, also in other processes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lyceum::api {

struct LogLine {
  uint64_t number = 0;       // from 1, never used again
  int64_t at_ms = 0;
  std::string text;
};

class JobLog {
 public:
  static constexpr uint64_t kFileBytesMax = 1u << 20;
  static constexpr size_t kLineBytesMax = 2000;

  explicit JobLog(std::filesystem::path folder);
  void add(int64_t at_ms, std::string_view text);

 private:
  std::filesystem::path folder_;
  uint64_t next_ = 1;
};

// Lines with a number over `after`, oldest first. A folder without a log: none.
std::vector<LogLine> read_job_log(const std::filesystem::path& folder, uint64_t after = 0);

}  // namespace lyceum::api
