// Accounts for the pages: sessions, tokens, users, organisations.
#include <charconv>

#include "api/admin/handlers.h"
#include "api/answer.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

std::string cookie(const http::Request& request, const std::string& value, int64_t seconds) {
  const bool secure = request.base_url.starts_with("https://");
  return std::string(kSessionCookie) + "=" + value + "; Path=/; HttpOnly; SameSite=Strict; Max-Age=" + std::to_string(seconds) + (secure ? "; Secure" : "");
}

// A read token must not grow into a session, which may write.
hub::User user_of(hub::Hub& hub, const json::object& body) {
  if (const auto token = find_string(body, "token")) {
    const auto caller = hub.authenticate(*token);
    if (!caller || !caller->user) throw Error(Code::unauthorized, "This token is not valid here.");
    if (!caller->may_write()) throw Error(Code::forbidden, "Sign in with a token of the role \"write\", or with your password.");
    return *caller->user;
  }
  const auto user = hub.try_password(get_string(body, "name"), get_string(body, "password"));
  if (!user) throw Error(Code::unauthorized, "The name or the password is wrong.");
  return *user;
}

json::object me_json(const hub::User& user) {
  return {{"name", user.name}, {"fullname", user.full_name}, {"email", user.email}, {"administrator", user.administrator}};
}

hub::User existing_user(hub::Hub& hub, const std::string& name) {
  auto user = hub.find_user(name);
  if (!user) throw Error(Code::not_found, "There is no user named " + name + ".");
  return *user;
}

}  // namespace

http::Response describe_me(Context& context) {
  if (!context.caller.user) return json_answer(nullptr);  // not an error: the pages ask before anyone has signed in
  json::object out = me_json(*context.caller.user);
  json::array organisations;
  for (const hub::Membership& one : context.services.hub.memberships(*context.caller.user))
    organisations.push_back(json::object{{"name", one.organisation}, {"fullname", one.full_name}, {"role", one.role}});
  out["organisations"] = std::move(organisations);
  return json_answer(out);
}

http::Response sign_in(Context& context) {
  require_same_origin(context.request, false);
  const hub::User user = user_of(context.services.hub, read_json_body(context));
  http::Response response = json_answer(me_json(user));
  response.headers.add("Set-Cookie", cookie(context.request, context.services.hub.create_session(user), 30 * 24 * 3600));
  return response;
}

http::Response sign_out(Context& context) {
  require_same_origin(context.request, false);
  if (const auto value = find_cookie(context.request, kSessionCookie)) context.services.hub.end_session(*value);
  http::Response response = json_answer(json::object{});
  response.headers.add("Set-Cookie", cookie(context.request, "", 0));
  return response;
}

http::Response list_tokens(Context& context) {
  json::array out;
  for (const hub::TokenInfo& one : context.services.hub.tokens(*context.caller.user)) {
    json::value last_used = nullptr;
    if (one.last_used_ms != 0) last_used = iso8601(one.last_used_ms);
    out.push_back(json::object{{"id", one.id}, {"name", one.name}, {"role", one.scope == hub::Scope::write ? "write" : "read"},
                               {"createdAt", iso8601(one.created_ms)}, {"lastUsedAt", std::move(last_used)}});
  }
  return json_answer(out);
}

http::Response create_token(Context& context) {
  const json::object body = read_json_body(context);
  const std::string role = find_string(body, "role").value_or("read");
  if (role != "read" && role != "write") throw Error(Code::invalid_argument, "role is read or write.");
  const std::string text = context.services.hub.create_token(*context.caller.user, get_string(body, "name"), role == "write" ? hub::Scope::write : hub::Scope::read);
  http::Response response = json_answer(json::object{{"token", text}});
  response.headers.set("Cache-Control", "no-store");
  return response;
}

http::Response revoke_token(Context& context) {
  const std::string& text = context.request.param("id");
  int64_t id = 0;
  std::from_chars(text.data(), text.data() + text.size(), id);
  context.services.hub.revoke_token(*context.caller.user, id);
  return json_answer(json::object{});
}

http::Response create_user(Context& context) {
  const json::object body = read_json_body(context);
  const hub::User user = context.services.hub.create_user(get_string(body, "name"), find_string(body, "fullname").value_or(""), find_string(body, "email").value_or(""),
                                                          get_string(body, "password"), find_bool(body, "administrator").value_or(false));
  return json_answer(me_json(user));
}

http::Response change_password(Context& context) {
  const json::object body = read_json_body(context);
  hub::Hub& hub = context.services.hub;
  const std::string& name = context.request.param("user");
  const bool own = name == context.caller.user->name;
  if (!own && !context.caller.administrator()) throw Error(Code::forbidden, "Only an administrator may change someone else's password.");
  if (own && !context.caller.administrator() && !hub.try_password(name, get_string(body, "current_password")))
    throw Error(Code::forbidden, "The current password is wrong.");
  hub.set_password(existing_user(hub, name), get_string(body, "password"));
  return json_answer(json::object{});
}

http::Response create_organisation(Context& context) {
  const json::object body = read_json_body(context);
  const std::string name = get_string(body, "name");
  context.services.hub.create_organisation(context.caller, name, find_string(body, "fullname").value_or(""));
  return json_answer(json::object{{"name", name}});
}

http::Response set_member(Context& context) {
  const std::string role = get_string(read_json_body(context), "role");
  if (role != "admin" && role != "write" && role != "read") throw Error(Code::invalid_argument, "role is admin, write or read.");
  context.services.hub.set_member(context.caller, context.request.param("organisation"), context.request.param("user"), role);
  return json_answer(json::object{});
}

http::Response remove_member(Context& context) {
  context.services.hub.set_member(context.caller, context.request.param("organisation"), context.request.param("user"), "");
  return json_answer(json::object{});
}

}  // namespace lyceum::api
