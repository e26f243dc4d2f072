// Branches, tags and the commits of a revision.
#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/hub/repo_json.h"
#include "api/services.h"
#include "base/html.h"

namespace lyceum::api {
namespace {

json::array refs_json(const std::vector<hub::Refs::Ref>& refs) {
  json::array out;
  for (const auto& ref : refs) out.push_back(json::object{{"name", ref.name}, {"ref", ref.ref}, {"targetCommit", ref.target}});
  return out;
}

}  // namespace

http::Response list_refs(Context& context) {
  const hub::Refs refs = context.services.hub.refs(*context.repo);
  json::object out{{"branches", refs_json(refs.branches)}, {"converts", refs_json(refs.converts)}, {"tags", refs_json(refs.tags)}};
  if (is_true(context.request.find_query("include_prs")) || is_true(context.request.find_query("include_pull_requests")))
    out["pullRequests"] = refs_json(refs.pull_requests);
  return json_answer(out);
}

http::Response list_commits(Context& context) {
  const Page page = find_page(context.request, 100, 1000);
  size_t total = 0;
  const std::string revision = split_revision_path(context.request, 5).revision;
  const bool formatted = expand_fields(context.request).contains("formatted");
  json::array out;
  for (const hub::CommitInfo& one : context.services.hub.commits(*context.repo, revision, page.limit, page.offset, &total)) {
    json::array parents;
    for (const std::string& parent : one.parents) parents.emplace_back(parent);
    json::object item{{"id", one.id}, {"title", one.title}, {"message", one.message}, {"date", iso8601(one.date_ms)},
                      {"authors", json::array{json::object{{"user", one.author_name}, {"avatar", ""}}}}, {"parents", std::move(parents)}};
    if (formatted) item["formatted"] = json::object{{"title", escape_html(one.title)}, {"message", escape_html(one.message)}};
    out.push_back(std::move(item));
  }
  http::Response response = json_answer(out);
  response.headers.set("X-Total-Count", std::to_string(total));
  if (page.offset + out.size() < total && !out.empty()) add_next_link(response, context.request, page.offset + page.limit);
  return response;
}

}  // namespace lyceum::api
