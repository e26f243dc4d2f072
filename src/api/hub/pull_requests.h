// pull_requests.h: what this hub keeps of a pull request: a ref refs/pr/N in the repository and a small record beside it
// (title, author, status). Comments and merging are not here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/route.h"
#include "base/json.h"

namespace lyceum::api {

struct PullRequest {
  int64_t num = 0;
  std::string title, description, author, status = "open";
  int64_t created_ms = 0;
  std::string ref() const { return "refs/pr/" + std::to_string(num); }
};

std::vector<PullRequest> pull_requests(Context& context);                                 // newest first
std::optional<PullRequest> find_pull_request(Context& context, int64_t num);
PullRequest open_pull_request(Context& context, const std::string& title, const std::string& description, const std::string& status);

std::string pull_request_url(const Context& context, int64_t num);                       // …/discussions/N

}  // namespace lyceum::api
