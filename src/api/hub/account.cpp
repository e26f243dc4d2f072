// Who a token belongs to, public profiles, and the small questions clients ask before they work.
#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/hub/people_json.h"
#include "api/services.h"
#include "hub/card_check.h"

namespace lyceum::api {
namespace {

json::object fine_grained_json(const hub::TokenInfo& token) {
  json::array scoped;
  for (const hub::Grant& grant : token.grants) {
    json::object entity{{"_id", std::to_string(grant.repo_id != 0 ? grant.repo_id : grant.owner_id)}, {"type", grant.type}, {"name", grant.name}};
    scoped.push_back(json::object{{"entity", std::move(entity)}, {"permissions", json::value_from(hub::permission_names(grant.permissions))}});
  }
  return {{"canReadGatedRepos", token.reads_gated}, {"global", json::array{}}, {"scoped", std::move(scoped)}};
}

// A token of the OAuth flow has no name of its own; huggingface_hub then stores it as "oauth-<user>".
json::object auth_of(const hub::Caller& caller) {
  if (!caller.token) return {{"type", "session"}, {"accessToken", json::object{{"displayName", "browser session"}, {"role", "write"}}}};
  const hub::TokenInfo& token = *caller.token;
  json::object out{{"type", token.oauth_grant != 0 ? "oauth" : "access_token"}};
  if (token.expires_ms != 0) out["expiresAt"] = iso8601(token.expires_ms);
  if (token.oauth_grant != 0) return out;
  json::object access{{"displayName", token.name}, {"role", hub::name(token.scope)}, {"createdAt", iso8601(token.created_ms)}};
  if (caller.fine_grained()) access["fineGrained"] = fine_grained_json(token);
  out["accessToken"] = std::move(access);
  return out;
}

}  // namespace

http::Response who_am_i(Context& context) {
  const hub::User& user = *context.caller.user;
  return json_answer(json::object{
      {"type", "user"}, {"id", std::to_string(user.id)}, {"name", user.name}, {"fullname", user.full_name.empty() || !context.caller.has_scope("profile") ? user.name : user.full_name},
      {"email", context.caller.has_scope("email") ? user.email : ""}, {"emailVerified", false}, {"canPay", false}, {"isPro", false}, {"billingMode", "prepaid"}, {"periodEnd", nullptr},
      {"avatarUrl", ""}, {"orgs", organisations_of(context.services.hub, user, &context.caller)}, {"auth", auth_of(context.caller)}});
}

http::Response accept_telemetry(Context&) { return json_answer(json::object{}); }

// An object with both keys, or the hf command fails at its start. Empty: no client of this hub is taken for an agent.
http::Response list_agent_harnesses(Context&) { return json_answer(json::object{{"standardEnvVars", json::array{}}, {"harnesses", json::object{}}}); }

http::Response validate_yaml(Context& context) {
  const json::object body = read_json_body(context, 2u << 20);
  const auto type = hub::find_repo_type(find_string(body, "repoType").value_or("model")).value_or(hub::RepoType::model);
  const hub::CardFindings found = hub::check_card(type, get_string(body, "content"));
  json::array warnings, errors;
  for (const std::string& text : found.warnings) warnings.push_back(json::object{{"message", text}});
  for (const std::string& text : found.errors) errors.push_back(json::object{{"message", text}});
  const int status = errors.empty() ? 200 : 400;
  return json_answer(json::object{{"warnings", std::move(warnings)}, {"errors", std::move(errors)}}, status);
}

http::Response check_auth(Context&) { return json_answer(json::object{{"ok", true}}); }

}  // namespace lyceum::api
