// rate_limits.h: how many requests one caller may make in a window of five minutes, and how often one may try to sign in.
//
// A caller is a user, or an address for those who did not sign in. Fixed windows, counted in this process's memory: a restart forgets
// them, and several hub processes each count their own. Any thread.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "hub/identity.h"

namespace lyceum::api {

struct RateLimitOptions {  // per window; 0: no limit
  int64_t api_requests = 20'000;
  int64_t file_requests = 100'000;
  int64_t sign_in_failures = 20;     // for one name; five times as many from one address
};

class RateLimits {
 public:
  static constexpr std::string_view kApi = "api", kFiles = "resolvers";
  static constexpr int64_t kWindowS = 300;

  RateLimits(const Clock& clock, const RateLimitOptions& options) : clock_(clock), options_(options) {}

  struct Verdict {
    std::string_view resource;
    int64_t quota = 0, remaining = 0, reset_s = 0;  // quota 0: not limited
    bool exceeded = false;
  };
  Verdict count(const hub::Caller& caller, const std::string& address, std::string_view resource);

  // Error(too_many_requests) after too many failures for the name or from the address.
  void require_attempt(std::string_view name, const std::string& address);
  void count_failure(std::string_view name, const std::string& address);

 private:
  struct Window {
    int64_t ends_ms = 0, count = 0;
  };
  Window& window(const std::string& key, int64_t now_ms);

  const Clock& clock_;
  const RateLimitOptions options_;
  std::mutex mutex_;
  std::unordered_map<std::string, Window> windows_;
};

}  // namespace lyceum::api
