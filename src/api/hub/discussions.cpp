// Pull requests as far as uploads need them: open one, list them, show one. Discussions without a change are not kept.
#include <charconv>

#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/hub/pull_requests.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

json::object summary_json(const Context& context, const PullRequest& one) {
  const std::string plural(hub::plural(context.repo->repo_id.type));
  json::value author = nullptr;
  if (!one.author.empty()) author = json::object{{"name", one.author}, {"type", "user"}};
  return {{"num", one.num}, {"title", one.title}, {"status", one.status}, {"author", std::move(author)}, {"isPullRequest", true},
          {"repo", json::object{{"name", context.repo->repo_id.full_name()}, {"type", plural.substr(0, plural.size() - 1)}}},
          {"createdAt", iso8601(one.created_ms)}, {"numComments", 0}, {"pinned", false}};
}

json::object details_json(const Context& context, const PullRequest& one) {
  json::object out = summary_json(context, one);
  const json::object author{{"name", one.author}, {"type", "user"}};
  const json::object latest{{"raw", one.description}, {"html", ""}, {"updatedAt", iso8601(one.created_ms)}, {"author", author}};
  const json::object data{{"edited", false}, {"hidden", false}, {"latest", latest}, {"history", json::array{}}};
  const json::object event{{"id", std::to_string(one.num)}, {"type", "comment"}, {"createdAt", iso8601(one.created_ms)}, {"author", author}, {"data", data}};
  out["events"] = json::array{event};
  out["changes"] = json::object{{"base", "refs/heads/main"}};
  out["filesWithConflicts"] = json::array{};
  out["diff"] = "";
  return out;
}

}  // namespace

http::Response list_discussions(Context& context) {
  constexpr size_t per_page = 50;
  const std::string type = context.request.find_query("type").value_or("all"), status = context.request.find_query("status").value_or("all");
  size_t start = 0;
  if (const auto text = context.request.find_query("p")) {
    std::from_chars(text->data(), text->data() + text->size(), start);
    start = std::min<size_t>(start, 1'000'000) * per_page;
  }
  std::vector<PullRequest> chosen;
  for (PullRequest& one : pull_requests(context)) {
    const bool open = one.status == "open" || one.status == "draft";
    if (type == "discussion" || (status == "open" && !open) || (status == "closed" && open)) continue;
    chosen.push_back(std::move(one));
  }
  json::array list;
  for (size_t i = start; i < std::min(chosen.size(), start + per_page); ++i) list.push_back(summary_json(context, chosen[i]));
  return json_answer(json::object{{"count", chosen.size()}, {"start", start}, {"discussions", std::move(list)}});
}

http::Response create_discussion(Context& context) {
  const json::object body = read_json_body(context);
  if (!find_bool(body, "pullRequest").value_or(false))
    throw Error(Code::unsupported, "This hub keeps pull requests, but no discussions yet.");
  return json_answer(details_json(context, open_pull_request(context, get_string(body, "title"), find_string(body, "description").value_or(""), "draft")));
}

http::Response describe_discussion(Context& context) {
  const std::string& text = context.request.param("num");
  int64_t num = 0;
  std::from_chars(text.data(), text.data() + text.size(), num);
  const auto found = find_pull_request(context, num);
  if (!found) throw Error(Code::not_found, "There is no discussion " + text + " in this repository.");
  return json_answer(details_json(context, *found));
}

}  // namespace lyceum::api
