// Discussions and pull requests as huggingface_hub reads them (its community.py): events with their data, `changes` and
// `filesWithConflicts` for pull requests. An author whose account is gone is left out, which clients show as "deleted".
#include "hub/discussions.h"

#include <charconv>

#include "api/admin/markdown.h"
#include "api/answer.h"
#include "api/community/handlers.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

constexpr size_t kPerPage = 50;

hub::Discussions& topic(const Context& context) { return context.services.hub.discussions(); }

int64_t number_of(const Context& context) {
  const std::string& text = context.request.param("num");
  int64_t num = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), num);
  if (error != std::errc() || end != text.data() + text.size()) throw Error(Code::not_found, "There is no discussion \"" + text.substr(0, 40) + "\".");
  return num;
}

void set_author(json::object& out, const std::string& name) {
  if (!name.empty()) out["author"] = json::object{{"name", name}, {"type", "user"}, {"avatarUrl", ""}, {"fullname", name}};
}

json::object summary_json(const Context& context, const hub::Discussion& one) {
  const std::string plural(hub::plural(context.repo->repo_id.type));
  json::object out{{"num", one.num}, {"title", one.title}, {"status", one.status}, {"isPullRequest", one.is_pull_request},
                   {"repo", json::object{{"name", context.repo->repo_id.full_name()}, {"type", plural.substr(0, plural.size() - 1)}}},
                   {"createdAt", iso8601(one.created_ms)}, {"numComments", one.comments}, {"pinned", false}};
  set_author(out, one.author);
  return out;
}

json::object comment_json(const Context& context, const hub::DiscussionEvent& event) {
  const json::object& data = event.data;
  const std::string raw(data.at("raw").as_string());
  json::object latest{{"raw", raw}, {"html", render_markdown(raw, {repo_path(context.repo->repo_id) + "/resolve/main/"})}, {"updatedAt", iso8601(data.at("updated_ms").as_int64())}};
  set_author(latest, event.author);
  json::array history;
  for (const json::value& one : data.at("history").as_array()) {
    json::object version{{"raw", one.at("raw")}, {"updatedAt", iso8601(one.at("updated_ms").as_int64())}};
    set_author(version, event.author);
    history.push_back(std::move(version));
  }
  return {{"edited", data.at("edited")}, {"hidden", data.at("hidden")}, {"latest", std::move(latest)}, {"history", std::move(history)}, {"numEdits", data.at("history").as_array().size()}};
}

json::object event_json(const Context& context, const hub::DiscussionEvent& event) {
  json::object out{{"id", event.id}, {"type", event.type}, {"createdAt", iso8601(event.created_ms)}};
  set_author(out, event.author);
  out["data"] = event.type == "comment" ? comment_json(context, event) : event.data;
  return out;
}

json::object details_json(const Context& context, const hub::Discussion& one) {
  json::object out = summary_json(context, one);
  json::array events;
  for (const hub::DiscussionEvent& event : topic(context).events(*context.repo, one.num)) events.push_back(event_json(context, event));
  out["events"] = std::move(events);
  out["filesWithConflicts"] = json::array{};
  if (!one.is_pull_request) return out;
  json::object changes{{"base", "refs/heads/main"}};
  if (!one.merge_commit.empty()) changes["mergeCommitId"] = one.merge_commit;
  out["changes"] = std::move(changes);
  if (!is_true(context.request.find_query("diff"))) return out;
  context.services.hub.require_content(context.caller, *context.repo);
  hub::PullRequestChanges found = topic(context).changes(*context.repo, one);
  out["diff"] = std::move(found.diff);
  json::array conflicts;
  for (const std::string& path : found.conflicts) conflicts.emplace_back(path);
  out["filesWithConflicts"] = std::move(conflicts);
  return out;
}

http::Response answer(const Context& context, std::string_view key, const hub::DiscussionEvent& event) {
  return json_answer(json::object{{key, event_json(context, event)}});
}

std::string optional_comment(const json::object& body) { return find_string(body, "comment").value_or(""); }

}  // namespace

http::Response list_discussions(Context& context) {
  hub::DiscussionQuery query{.type = context.request.find_query("type").value_or("all"), .status = context.request.find_query("status").value_or("all"),
                             .author = context.request.find_query("author").value_or(""), .limit = kPerPage};
  if (const auto text = context.request.find_query("p")) {
    std::from_chars(text->data(), text->data() + text->size(), query.offset);
    query.offset = std::min<size_t>(query.offset, 1'000'000) * kPerPage;
  }
  size_t total = 0;
  json::array list;
  for (const hub::Discussion& one : topic(context).list(*context.repo, query, &total)) list.push_back(summary_json(context, one));
  return json_answer(json::object{{"count", total}, {"start", query.offset}, {"discussions", std::move(list)}});
}

http::Response create_discussion(Context& context) {
  const json::object body = read_json_body(context);
  const bool pull_request = find_bool(body, "pullRequest").value_or(false);
  const hub::Discussion one = topic(context).open(
      context.caller, context.repo->repo_id,
      {get_string(body, "title"), find_string(body, "description").value_or(""), pull_request, pull_request ? "draft" : "open"});
  json::object out = details_json(context, one);
  out["url"] = repo_url(context.request, context.repo->repo_id) + "/discussions/" + std::to_string(one.num);
  return json_answer(out);
}

http::Response describe_discussion(Context& context) { return json_answer(details_json(context, topic(context).get(*context.repo, number_of(context)))); }

http::Response comment_discussion(Context& context) {
  return answer(context, "newMessage", topic(context).comment(context.caller, context.repo->repo_id, number_of(context), get_string(read_json_body(context), "comment")));
}

http::Response rename_discussion(Context& context) {
  return answer(context, "newTitle", topic(context).rename(context.caller, context.repo->repo_id, number_of(context), get_string(read_json_body(context), "title")));
}

http::Response change_discussion_status(Context& context) {
  const json::object body = read_json_body(context);
  return answer(context, "newStatus",
                topic(context).set_status(context.caller, context.repo->repo_id, number_of(context), get_string(body, "status"), optional_comment(body)));
}

http::Response merge_pull_request(Context& context) {
  const std::string body = read_body(context);
  const json::value parsed = body.empty() ? json::value(json::object{}) : parse_json(body, "request body");  // "null" without a comment
  const std::string comment = parsed.is_object() ? optional_comment(parsed.as_object()) : "";
  const std::string commit = topic(context).merge(context.caller, context.repo->repo_id, number_of(context), comment);
  return json_answer(json::object{{"mergeCommitId", commit}});
}

http::Response edit_comment(Context& context) {
  const std::string content = get_string(read_json_body(context), "content");
  return answer(context, "updatedComment", topic(context).edit_comment(context.caller, context.repo->repo_id, number_of(context), context.request.param("id"), content));
}

http::Response hide_comment(Context& context) {
  return answer(context, "updatedComment", topic(context).hide_comment(context.caller, context.repo->repo_id, number_of(context), context.request.param("id")));
}

}  // namespace lyceum::api
