// The audit log, for administrators.
#include "hub/audit.h"

#include "api/admin/handlers.h"
#include "api/answer.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

json::object event_json(const hub::AuditEvent& event) {
  return {{"id", event.sequence}, {"at", iso8601(event.at_ms)}, {"user", event.user.empty() ? json::value(nullptr) : json::value(event.user)},
          {"token", event.token_id == 0 ? json::value(nullptr) : json::value(event.token_id)}, {"address", event.address}, {"action", event.action}, {"target", event.target},
          {"details", event.details}};
}

}  // namespace

// The cursor is the number of the last event shown, so that new events do not shift the pages.
http::Response list_audit(Context& context) {
  const Page page = find_page(context.request, 100, 1000);
  hub::AuditQuery query;
  query.user = context.request.find_query("user").value_or("");
  query.action = context.request.find_query("action").value_or("");
  query.target = context.request.find_query("target").value_or("");
  query.before = static_cast<int64_t>(page.offset);
  query.limit = page.limit;
  const auto events = context.services.hub.audit().list(query);
  json::array out;
  for (const hub::AuditEvent& one : events) out.push_back(event_json(one));
  http::Response response = json_answer(out);
  if (events.size() == page.limit && events.back().sequence > 1) add_next_link(response, context.request, static_cast<size_t>(events.back().sequence));
  return response;
}

http::Response verify_audit(Context& context) {
  const auto broken = context.services.hub.audit().find_break();
  return json_answer(json::object{{"intact", !broken}, {"firstBroken", broken ? json::value(*broken) : json::value(nullptr)}});
}

}  // namespace lyceum::api
