// commit_lines.h: the body of a commit, newline-delimited JSON, read as a stream: one line in memory at a time, files decoded as
// they come and kept on disk unless small (commit_spool.h). The last line may lack its newline (JavaScript); unknown keys are ignored (old and new clients).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "api/hub/commit_spool.h"
#include "hub/hub.h"

namespace lyceum::api {

struct CommitLimits {
  size_t line_bytes = 64u << 20;     // one file, base64
  size_t total_bytes = 1u << 30;     // decoded content of all files
  size_t actions = 50000;
};

// Feed it the body in any pieces, then finish(). Throws Error(invalid_argument) or Error(too_large) naming the line.
class CommitLines {
 public:
  // staging: where files over 64 KiB wait; empty: they stay in memory.
  explicit CommitLines(CommitLimits limits = {}, fs::path staging = {}) : limits_(limits), spool_(std::move(staging)) {}
  void feed(std::string_view bytes);
  hub::CommitRequest finish();   // throws if no header line came

 private:
  void take_line(std::string_view line);
  void take_header(const json::object& value);
  void take_file(const json::object& value);
  void take_large_file(const json::object& value);
  void add(hub::CommitAction action);

  CommitLimits limits_;
  CommitSpool spool_;
  hub::CommitRequest request_;
  std::string pending_;
  size_t line_ = 0, total_bytes_ = 0;
  bool has_header_ = false;
};

}  // namespace lyceum::api
