// Accounts for the pages: sessions, users, organisations.
#include "api/admin/handlers.h"
#include "api/answer.h"
#include "api/services.h"
#include "hub/organisations.h"
#include "hub/sessions.h"

namespace lyceum::api {
namespace {

std::string cookie(const http::Request& request, const std::string& value, int64_t seconds) {
  const bool secure = request.base_url.starts_with("https://");
  return session_cookie_name(request) + "=" + value + "; Path=/; HttpOnly; SameSite=Strict; Max-Age=" + std::to_string(seconds) + (secure ? "; Secure" : "");
}

// A read or fine-grained token must not grow into a session, which may do everything its user may.
hub::Caller caller_of(Context& context, const json::object& body) {
  hub::Caller out;
  if (const auto token = find_string(body, "token")) {
    const auto caller = context.services.hub.authenticate(*token);
    if (!caller || !caller->user) throw Error(Code::unauthorized, "This token is not valid here.");
    if (!caller->may_write()) throw Error(Code::forbidden, "Sign in with a token of the role \"write\", or with your password.");
    out = *caller;
  } else {
    out.user = try_sign_in(context.request, context.services, get_string(body, "name"), get_string(body, "password"));
    if (!out.user) throw Error(Code::unauthorized, "The name or the password is wrong.");
  }
  out.address = context.request.remote;
  return out;
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
  if (!context.caller.user || context.caller.of_an_application()) return json_answer(nullptr);  // not an error: the pages ask before anyone has signed in
  json::object out = me_json(*context.caller.user);
  json::array organisations;
  for (const hub::Membership& one : context.services.hub.memberships(*context.caller.user))
    organisations.push_back(json::object{{"name", one.organisation}, {"fullname", one.full_name}, {"role", one.role}});
  out["organisations"] = std::move(organisations);
  return json_answer(out);
}

http::Response sign_in(Context& context) {
  require_same_origin(context.request, false);
  const hub::Caller caller = caller_of(context, read_json_body(context));
  http::Response response = json_answer(me_json(*caller.user));
  response.headers.add("Set-Cookie", cookie(context.request, context.services.hub.sessions().create(caller), hub::kSessionMs / 1000));
  return response;
}

http::Response sign_out(Context& context) {
  require_same_origin(context.request, false);
  if (const auto value = find_cookie(context.request, session_cookie_name(context.request))) context.services.hub.sessions().end(context.caller, *value);
  http::Response response = json_answer(json::object{});
  response.headers.add("Set-Cookie", cookie(context.request, "", 0));
  return response;
}

http::Response create_user(Context& context) {
  const json::object body = read_json_body(context);
  const hub::User user = context.services.hub.create_user(get_string(body, "name"), find_string(body, "fullname").value_or(""), find_string(body, "email").value_or(""),
                                                          get_string(body, "password"), find_bool(body, "administrator").value_or(false), context.caller);
  return json_answer(me_json(user));
}

http::Response change_password(Context& context) {
  const json::object body = read_json_body(context);
  hub::Hub& hub = context.services.hub;
  const std::string& name = context.request.param("user");
  const bool own = name == context.caller.user->name;
  if (!own && !context.caller.administrator()) throw Error(Code::forbidden, "Only an administrator may change someone else's password.");
  if (own && !context.caller.administrator() && !try_sign_in(context.request, context.services, name, get_string(body, "current_password")))
    throw Error(Code::forbidden, "The current password is wrong.");
  hub.set_password(existing_user(hub, name), get_string(body, "password"), context.caller);
  return json_answer(json::object{});
}

http::Response create_organisation(Context& context) {
  const json::object body = read_json_body(context);
  const std::string name = get_string(body, "name");
  context.services.hub.create_organisation(context.caller, name, find_string(body, "fullname").value_or(""));
  return json_answer(json::object{{"name", name}});
}

http::Response delete_organisation(Context& context) {
  context.services.hub.organisations().remove(context.caller, context.request.param("organisation"));
  return json_answer(json::object{});
}

http::Response set_member(Context& context) {
  const std::string role = get_string(read_json_body(context), "role");
  if (role.empty()) throw Error(Code::invalid_argument, "role is owner, admin, write or read.");
  context.services.hub.set_member(context.caller, context.request.param("organisation"), context.request.param("user"), role);
  return json_answer(json::object{});
}

http::Response remove_member(Context& context) {
  context.services.hub.set_member(context.caller, context.request.param("organisation"), context.request.param("user"), "");
  return json_answer(json::object{});
}

}  // namespace lyceum::api
