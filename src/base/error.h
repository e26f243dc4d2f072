// error.h: the one exception type, and the check for our own bugs.
//
// Throw Error when the request, job or command cannot go on. It is caught in four places only: the HTTP
// route, the command line's main, the job runner and the peer session. An outcome that a caller branches on
// is a value (std::optional, a result struct) from a function named find_… or try_….
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace lyceum {

enum class Code {
  invalid_argument,     // 400: the input is malformed or contradicts itself
  unauthorized,         // 401: no valid credentials
  forbidden,            // 403: valid credentials, missing right
  not_found,            // 404
  conflict,             // 409: exists already, or a concurrent change won
  precondition_failed,  // 412: the state the caller relied on has moved
  too_large,            // 413: over a stated limit
  range_unsatisfiable,  // 416
  unprocessable,        // 422: well-formed, but refused (digest mismatch, unsupported feature)
  too_many_requests,    // 429
  internal,             // 500
  unsupported,          // 501
  unavailable,          // 503: retry later
  storage_full,         // 507: the disk is full
};

class Error : public std::runtime_error {
 public:
  // message: one sentence naming the thing and, where there is one, the remedy.
  // tag: a stable machine-readable name for clients that need one ("RepoNotFound"); may be empty.
  Error(Code code, const std::string& message, std::string tag = {})
      : std::runtime_error(message), code_(code), tag_(std::move(tag)) {}

  Code code() const noexcept { return code_; }
  const std::string& tag() const noexcept { return tag_; }

 private:
  Code code_;
  std::string tag_;
};

int http_status(Code code) noexcept;
int exit_code(Code code) noexcept;
std::string_view name(Code code) noexcept;

// Aborts with file, line and reason. On in release; must never be reachable from outside input.
[[noreturn]] void check_failed(const char* expression, const char* why, const char* file, int line) noexcept;

}  // namespace lyceum

#define LYCEUM_CHECK(condition, why) \
  ((condition) ? static_cast<void>(0) : ::lyceum::check_failed(#condition, why, __FILE__, __LINE__))
