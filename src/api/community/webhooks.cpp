// A person's webhooks. Lists are bare arrays, single ones wrapped in {"webhook": …}, as huggingface_hub reads them.
#include "hub/webhooks.h"

#include "api/answer.h"
#include "api/community/delivery.h"
#include "api/community/handlers.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

hub::Webhooks& topic(const Context& context) { return context.services.hub.webhooks(); }

json::object webhook_json(const hub::Webhook& one) {
  json::array watched, domains;
  for (const auto& item : one.watched) watched.push_back(json::object{{"type", item.type}, {"name", item.name}});
  for (const std::string& domain : one.domains) domains.emplace_back(domain);
  json::object out{{"id", one.id}, {"url", one.url}, {"job", nullptr}, {"watched", std::move(watched)}, {"domains", std::move(domains)},
                   {"secret", one.secret.empty() ? json::value(nullptr) : json::value(one.secret)}, {"disabled", one.disabled}};
  if (!one.disabled_reason.empty()) out["disabledReason"] = one.disabled_reason;
  return out;
}

http::Response wrapped(const hub::Webhook& one) { return json_answer(json::object{{"webhook", webhook_json(one)}}); }

hub::Webhook read_webhook(const Context& context, const json::object& body) {
  if (const auto* job = body.if_contains("job"); job && !job->is_null()) throw Error(Code::unsupported, "This hub does not run jobs; give the webhook a url.");
  hub::Webhook out;
  out.url = get_string(body, "url");
  out.secret = find_string(body, "secret").value_or("");
  out.base_url = context.request.base_url;
  const json::array* watched = find_array(body, "watched");
  if (!watched) throw Error(Code::invalid_argument, "watched is missing.");
  for (const json::value& one : *watched) {
    const json::object& item = get_object(one, "watched[]");
    out.watched.push_back({get_string(item, "type"), get_string(item, "name")});
  }
  if (const json::array* domains = find_array(body, "domains")) {
    for (const json::value& one : *domains) {
      if (!one.is_string()) throw Error(Code::invalid_argument, "domains[] are strings.");
      out.domains.emplace_back(one.as_string());
    }
  }
  return out;
}

json::object delivery_json(const hub::Delivery& one) {
  json::object out{{"id", one.id}, {"state", one.state}, {"attempts", one.attempts}, {"createdAt", iso8601(one.created_ms)}, {"status", one.http_status}, {"answer", one.answer},
                   {"payload", parse_json(one.payload, "stored payload")}};
  if (one.state == "pending") out["nextAttemptAt"] = iso8601(one.next_ms);
  else out["finishedAt"] = iso8601(one.finished_ms);
  return out;
}

void wake(const Context& context) {
  if (context.services.webhook_sender) context.services.webhook_sender->wake();
}

}  // namespace

http::Response list_webhooks(Context& context) {
  json::array out;
  for (const hub::Webhook& one : topic(context).list(context.caller)) out.push_back(webhook_json(one));
  return json_answer(out);
}

http::Response create_webhook(Context& context) { return wrapped(topic(context).create(context.caller, read_webhook(context, read_json_body(context)))); }

http::Response describe_webhook(Context& context) { return wrapped(topic(context).get(context.caller, context.request.param("id"))); }

// Members that are absent, or empty lists (which huggingface_hub sends for what is not to change), stay as they are.
http::Response update_webhook(Context& context) {
  json::object body = read_json_body(context);
  const json::object before = webhook_json(topic(context).get(context.caller, context.request.param("id")));
  const auto* secret = body.if_contains("secret");
  const bool change_secret = secret && !secret->is_null();
  for (const char* key : {"url", "watched", "domains"}) {
    if (const auto* given = body.if_contains(key); !given || given->is_null() || (given->is_array() && given->as_array().empty())) body[key] = before.at(key);
  }
  hub::Webhook wanted = read_webhook(context, body);
  wanted.id = context.request.param("id");
  return wrapped(topic(context).update(context.caller, wanted, change_secret));
}

http::Response delete_webhook(Context& context) {
  topic(context).remove(context.caller, context.request.param("id"));
  return json_answer(json::object{});
}

http::Response enable_webhook(Context& context) { return wrapped(topic(context).set_disabled(context.caller, context.request.param("id"), false)); }
http::Response disable_webhook(Context& context) { return wrapped(topic(context).set_disabled(context.caller, context.request.param("id"), true)); }

http::Response list_deliveries(Context& context) {
  json::array out;
  for (const hub::Delivery& one : topic(context).deliveries(context.caller, context.request.param("id"), hub::Webhooks::kKeptPerWebhook)) out.push_back(delivery_json(one));
  return json_answer(out);
}

http::Response replay_delivery(Context& context) {
  const hub::Delivery made = topic(context).replay(context.caller, context.request.param("id"), context.request.param("log"));
  wake(context);
  return json_answer(delivery_json(made));
}

}  // namespace lyceum::api
