// Access tokens: listing, making, revoking.
#include "hub/tokens.h"

#include <charconv>

#include "api/admin/handlers.h"
#include "api/answer.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

constexpr size_t kCredentialsMax = 1000;
constexpr int64_t kDayMs = 24LL * 3600 * 1000;

json::value moment(int64_t ms) { return ms == 0 ? json::value(nullptr) : json::value(iso8601(ms)); }

json::object token_json(const hub::TokenInfo& token) {
  json::object out{{"id", token.id}, {"name", token.name}, {"role", hub::name(token.scope)}, {"type", token.oauth_grant != 0 ? "oauth" : "access_token"},
                   {"createdAt", iso8601(token.created_ms)}, {"lastUsedAt", moment(token.last_used_ms)}, {"expiresAt", moment(token.expires_ms)}};
  if (token.scope != hub::Scope::fine_grained) return out;
  json::array scoped;
  for (const hub::Grant& grant : token.grants)
    scoped.push_back(json::object{{"entity", json::object{{"type", grant.type}, {"name", grant.name}}}, {"permissions", json::value_from(hub::permission_names(grant.permissions))}});
  out["scoped"] = std::move(scoped);
  out["canReadGatedRepos"] = token.reads_gated;
  return out;
}

hub::Grant grant_of(const json::object& row) {
  const json::object* entity = find_object(row, "entity");
  const json::array* permissions = find_array(row, "permissions");
  if (entity == nullptr || permissions == nullptr) throw Error(Code::invalid_argument, "scoped[] has an entity {type, name} and a list of permissions.");
  hub::Grant out;
  out.type = get_string(*entity, "type");
  out.name = get_string(*entity, "name");
  for (const json::value& one : *permissions) {
    const auto permission = one.is_string() ? hub::find_permission(std::string_view(one.as_string())) : std::nullopt;
    if (!permission)
      throw Error(Code::invalid_argument, "A permission is repo.content.read, repo.write, discussion.write, collection.read, collection.write, org.read or org.write.");
    out.permissions |= *permission;
  }
  return out;
}

hub::TokenRequest request_of(const json::object& body, int64_t now_ms) {
  hub::TokenRequest out{.name = get_string(body, "name")};
  const std::string role = find_string(body, "role").value_or("read");
  if (role != "read" && role != "write" && role != "fineGrained") throw Error(Code::invalid_argument, "role is read, write or fineGrained.");
  out.scope = role == "write" ? hub::Scope::write : role == "read" ? hub::Scope::read : hub::Scope::fine_grained;
  if (const auto days = find_int(body, "expiresInDays")) {
    if (*days < 1 || *days > 3650) throw Error(Code::invalid_argument, "expiresInDays is 1 to 3650.");
    out.expires_ms = now_ms + *days * kDayMs;
  }
  out.reads_gated = find_bool(body, "canReadGatedRepos").value_or(false);
  if (const json::array* scoped = find_array(body, "scoped"))
    for (const json::value& one : *scoped) out.grants.push_back(grant_of(get_object(one, "scoped[]")));
  if (out.scope != hub::Scope::fine_grained && !out.grants.empty()) throw Error(Code::invalid_argument, "scoped belongs to tokens of the role fineGrained.");
  return out;
}

}  // namespace

http::Response list_tokens(Context& context) {
  json::array out;
  for (const hub::TokenInfo& one : context.services.hub.tokens().list(*context.caller.user)) out.push_back(token_json(one));
  return json_answer(out);
}

http::Response create_token(Context& context) {
  const hub::TokenRequest request = request_of(read_json_body(context), context.services.clock.now_ms());
  http::Response response = json_answer(json::object{{"token", context.services.hub.tokens().create(context.caller, request)}});
  response.headers.set("Cache-Control", "no-store");
  return response;
}

http::Response revoke_token(Context& context) {
  const std::string& text = context.request.param("id");
  int64_t id = 0;
  std::from_chars(text.data(), text.data() + text.size(), id);
  context.services.hub.tokens().revoke(context.caller, id);
  return json_answer(json::object{});
}

// Always 202: the answer does not tell which texts were tokens.
http::Response revoke_credentials(Context& context) {
  const json::object body = read_json_body(context);
  const json::array* credentials = find_array(body, "credentials");
  std::vector<std::string> texts;
  for (const json::value& one : credentials != nullptr ? *credentials : json::array{})
    if (one.is_string() && texts.size() < kCredentialsMax) texts.emplace_back(one.as_string());
  if (!texts.empty()) context.services.hub.tokens().revoke_leaked(context.caller, texts);
  return json_answer(json::object{}, 202);
}

}  // namespace lyceum::api
