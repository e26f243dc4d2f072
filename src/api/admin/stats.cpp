// Figures for the front page.
#include "api/admin/handlers.h"
#include "api/answer.h"
#include "api/services.h"

namespace lyceum::api {

http::Response show_stats(Context& context) {
  json::object out{{"version", context.services.version}, {"now", iso8601(context.services.clock.now_ms())}};
  for (const auto type : {hub::RepoType::model, hub::RepoType::dataset, hub::RepoType::space}) {
    hub::RepoQuery query;
    query.type = type;
    out[hub::plural(type)] = context.services.hub.count_repos(context.caller, query);
  }
  return json_answer(out);
}

}  // namespace lyceum::api
