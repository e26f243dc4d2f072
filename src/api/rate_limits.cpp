#include "api/rate_limits.h"

#include <algorithm>

#include "base/error.h"

namespace lyceum::api {
namespace {

constexpr size_t kWindowsMax = 100'000;  // some 10 MB
constexpr int64_t kAddressFactor = 5;    // many people may share an address

std::string lower(std::string_view text) {
  std::string out(text.substr(0, 96));
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

// The caller holds the mutex. When the table is full, finished windows go; if none are finished, all do: forgetting counts is better
// than growing without end.
RateLimits::Window& RateLimits::window(const std::string& key, int64_t now_ms) {
  if (windows_.size() >= kWindowsMax && !windows_.contains(key)) {
    std::erase_if(windows_, [&](const auto& entry) { return entry.second.ends_ms <= now_ms; });
    if (windows_.size() >= kWindowsMax) windows_.clear();
  }
  Window& out = windows_[key];
  if (out.ends_ms <= now_ms) out = {now_ms + kWindowS * 1000, 0};
  return out;
}

RateLimits::Verdict RateLimits::count(const hub::Caller& caller, const std::string& address, std::string_view resource) {
  const int64_t quota = resource == kFiles ? options_.file_requests : options_.api_requests;
  if (quota == 0) return {};
  const std::string key = std::string(resource) + (caller.user ? " user " + std::to_string(caller.user->id) : " address " + address);
  const int64_t now = clock_.now_ms();
  const std::lock_guard lock(mutex_);
  Window& current = window(key, now);
  const bool exceeded = current.count >= quota;
  if (!exceeded) ++current.count;
  return {resource, quota, quota - current.count, (current.ends_ms - now + 999) / 1000, exceeded};
}

void RateLimits::require_attempt(std::string_view name, const std::string& address) {
  if (options_.sign_in_failures == 0) return;
  const int64_t now = clock_.now_ms();
  const std::lock_guard lock(mutex_);
  const bool refused = window("name " + lower(name), now).count >= options_.sign_in_failures ||
                       window("from " + address, now).count >= options_.sign_in_failures * kAddressFactor;
  if (refused) throw Error(Code::too_many_requests, "Too many failed attempts to sign in; try again in a few minutes, or use an access token.");
}

void RateLimits::count_failure(std::string_view name, const std::string& address) {
  if (options_.sign_in_failures == 0) return;
  const int64_t now = clock_.now_ms();
  const std::lock_guard lock(mutex_);
  ++window("name " + lower(name), now).count;
  ++window("from " + address, now).count;
}

}  // namespace lyceum::api
