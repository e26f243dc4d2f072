// The declarative Space as the pages read it.
#include "spaces/space_app.h"

#include "api/answer.h"
#include "api/groups.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

http::Response get_app(Context& context) {
  hub::Hub& hub = context.services.hub;
  const hub::Repo& repo = *context.repo;
  const auto entry = hub.find_entry(repo, repo.head, "space.yaml");
  if (!entry || !entry->sha256.empty()) {
    throw Error(Code::not_found, "this Space has no space.yaml; only declarative Spaces (sdk: hub) run here so far", "NO_APP_FILE");
  }
  const spaces::SpaceApp app = spaces::parse_space_app(hub.read_small(repo, *entry), repo.repo_id.name);
  return json_answer(spaces::to_json(app));
}

http::Response get_runtime(Context& context) {
  hub::Hub& hub = context.services.hub;
  std::string stage = "NO_APP_FILE", message;
  const auto entry = hub.find_entry(*context.repo, context.repo->head, "space.yaml");
  if (entry && entry->sha256.empty()) {
    try {
      spaces::parse_space_app(hub.read_small(*context.repo, *entry), context.repo->repo_id.name);
      stage = "RUNNING";
    } catch (const Error& error) {
      stage = "CONFIG_ERROR";
      message = error.what();
    }
  }
  json::object out{{"stage", stage}, {"hardware", {{"current", "cpu-basic"}, {"requested", "cpu-basic"}}},
                   {"storage", nullptr}, {"gcTimeout", nullptr}, {"replicas", {{"current", 1}, {"requested", 1}}}};
  if (!message.empty()) out["errorMessage"] = message;
  return json_answer(out);
}

constexpr RouteRow kRows[] = {
    {"GET", "/api/lyceum/spaces/{ns}/{name}/app", Access::repo_content, "the checked space.yaml of a declarative Space", get_app},
    {"GET", "/api/spaces/{ns}/{name}/runtime", Access::repo_read, "stage of a Space", get_runtime},
};

}  // namespace

std::span<const RouteRow> spaces_rows() { return kRows; }

}  // namespace lyceum::api
