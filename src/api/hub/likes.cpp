// Likes: of a repository, and of a user.
#include "hub/likes.h"

#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/hub/people_json.h"
#include "api/services.h"
#include "hub/catalogue.h"
#include "hub/follows.h"

namespace lyceum::api {

http::Response like_repo(Context& context) {
  context.services.hub.likes().like(context.caller, *context.repo);
  context.services.hub.catalogue().refresh_metrics({context.repo->id});
  return json_answer(json::object{{"ok", true}});
}

http::Response unlike_repo(Context& context) {
  context.services.hub.likes().unlike(context.caller, *context.repo);
  context.services.hub.catalogue().refresh_metrics({context.repo->id});
  return json_answer(json::object{{"ok", true}});
}

http::Response list_likers(Context& context) {
  const Page page = find_page(context.request, 100, 1000);
  json::array out;
  for (const hub::Account& one : context.services.hub.likes().likers(*context.repo, page.offset, page.limit + 1)) out.push_back(person_json(one));
  return page_answer(context.request, page, std::move(out));
}

http::Response list_liked_repos(Context& context) {
  const auto user = context.services.hub.follows().find(context.request.param("user"));
  if (!user || user->organisation) throw Error(Code::not_found, "There is no user of this name.");
  const Page page = find_page(context.request, 100, 1000);
  json::array out;
  for (const auto& one : context.services.hub.likes().liked_by(context.caller, *user, page.offset, page.limit + 1)) {
    const std::string plural(hub::plural(one.repo.type));
    out.push_back(json::object{{"createdAt", iso8601(one.liked_ms)}, {"repo", json::object{{"name", one.repo.full_name()}, {"type", plural.substr(0, plural.size() - 1)}}}});
  }
  return page_answer(context.request, page, std::move(out));
}

}  // namespace lyceum::api
