// The route groups, in the order their rows are tried among equals. One new group = one line in groups.h and one here.
#include "api/anthropic/error.h"
#include "api/groups.h"
#include "api/ollama/style.h"
#include "api/openai/request_error.h"

namespace lyceum::api {

std::span<const RouteGroup> route_groups() {
  static const RouteGroup groups[] = {
      {"git", git_rows()},
      {"lfs", lfs_rows()},
      {"xet", xet_rows()},
      {"hub", hub_rows()},
      {"community", community_rows()},
      {"admin", admin_rows()},
      {"oauth", oauth_rows()},
      {"openai", openai_rows(), openai_error_text},
      {"anthropic", anthropic_rows(), anthropic_error_text},
      {"ollama", ollama_rows(), ollama_error_text},
      {"llama", llama_rows(), openai_error_text},
      {"deployments", deployment_rows()},
      {"jobs", jobs_rows()},
      {"spaces", spaces_rows()},
      {"static", static_rows()},
  };
  return groups;
}

}  // namespace lyceum::api
