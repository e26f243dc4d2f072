// Gated repositories: asking for access, and deciding about it.
#include "hub/access_requests.h"

#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

constexpr size_t kBatchMax = 100;

json::object request_json(const hub::AccessRequest& request) {
  json::object user{{"_id", std::to_string(request.user.id)}, {"user", request.user.name}, {"fullname", request.user.full_name.empty() ? request.user.name : request.user.full_name},
                    {"avatarUrl", ""}, {"isPro", false}};
  if (!request.granted) user["email"] = request.user.email;  // asking shares the address; being let in does not
  json::object out{{"requestId", request.public_id}, {"user", std::move(user)}, {"status", request.status}, {"timestamp", iso8601(request.created_ms)}};
  if (!request.fields.empty()) out["fields"] = request.fields;
  return out;
}

hub::AccessRequests::Decision decision_of(const json::object& who, const json::object& what) {
  return {find_string(who, "user").value_or(""), find_string(who, "userId").value_or(""), find_string(who, "requestId").value_or(""), get_string(what, "status"),
          find_string(what, "rejectionReason").value_or("")};
}

// Only what the card asks for, and all of it.
json::object answers_of(const hub::Repo& repo, const json::object& body) {
  const json::object* fields = find_object(repo.card, "extra_gated_fields");
  if (fields == nullptr) return {};
  json::object out;
  for (const auto& [label, kind] : *fields) {
    const json::value* answer = body.if_contains(label);
    const bool checkbox = kind.is_string() && kind.as_string() == "checkbox";
    const bool given = answer != nullptr && !answer->is_null() && !(answer->is_string() && answer->as_string().empty()) && !(answer->is_bool() && !answer->as_bool());
    if (!given) throw Error(Code::invalid_argument, "The form of this repository asks for \"" + std::string(label) + "\"" + (checkbox ? " to be checked." : "."));
    out[label] = *answer;
  }
  return out;
}

}  // namespace

http::Response list_access_requests(Context& context) {
  const std::string& status = context.request.param("status");
  if (status != "pending" && status != "accepted" && status != "rejected") throw Error(Code::not_found, "Access requests are pending, accepted or rejected.");
  const Page page = find_page(context.request, 1000, 1000);
  json::array out;
  for (const auto& one : context.services.hub.access_requests().list(*context.repo, status, page.offset, page.limit + 1)) out.push_back(request_json(one));
  return page_answer(context.request, page, std::move(out));
}

http::Response handle_access_request(Context& context) {
  const json::object body = read_json_body(context);
  context.services.hub.access_requests().decide(context.caller, *context.repo, decision_of(body, body));
  return json_answer(json::object{{"ok", true}});
}

http::Response handle_access_requests(Context& context) {
  const json::object body = read_json_body(context);
  const json::array* requests = find_array(body, "requests");
  if (requests == nullptr || requests->size() > kBatchMax) throw Error(Code::invalid_argument, "requests is a list of at most 100 users.");
  json::array out;
  for (const json::value& one : *requests) {
    json::object row = get_object(one, "requests[]");
    row["ok"] = true;
    try {
      context.services.hub.access_requests().decide(context.caller, *context.repo, decision_of(one.as_object(), body));
    } catch (const Error& error) {
      if (error.code() != Code::not_found) throw;
      row["ok"] = false;
      row["error"] = "request_not_found";
    }
    out.push_back(std::move(row));
  }
  return json_answer(out);
}

http::Response grant_access(Context& context) {
  context.services.hub.access_requests().grant(context.caller, *context.repo, get_string(read_json_body(context), "user"));
  return json_answer(json::object{{"ok", true}});
}

http::Response ask_access(Context& context) {
  const json::object body = read_form_or_json(context);
  const std::string status = context.services.hub.access_requests().ask(context.caller, *context.repo, answers_of(*context.repo, body));
  http::Response response = json_answer(json::object{{"status", status}}, 303);
  response.headers.set("Location", repo_url(context.request, context.repo->repo_id));
  return response;
}

http::Response cancel_access_request(Context& context) {
  context.services.hub.access_requests().cancel(context.caller, *context.repo);
  return json_answer(json::object{{"ok", true}});
}

http::Response report_access(Context& context) {
  json::array out;
  for (const auto& one : context.services.hub.access_requests().list(*context.repo, "", 0, 1'000'000)) {
    json::object row{{"user", one.user.name}, {"fullname", one.user.full_name}, {"email", one.granted ? json::value(nullptr) : json::value(one.user.email)}, {"status", one.status},
                     {"time", iso8601(one.created_ms)}};
    for (const auto& [label, answer] : one.fields)
      if (!row.contains(label)) row[label] = answer;
    out.push_back(std::move(row));
  }
  http::Response response = json_answer(out);
  response.headers.set("Content-Disposition", "attachment; filename=\"user-access-report.json\"");
  return response;
}

}  // namespace lyceum::api
