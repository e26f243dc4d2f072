// Signing in a program from a browser: the program's start and the page's questions (hub/device_logins.h).
#include "hub/device_logins.h"

#include "api/answer.h"
#include "api/oauth/handlers.h"
#include "api/rate_limits.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

// Codes are short, so guessing them is limited as guessing passwords is.
hub::DeviceLogin login_of(Context& context) {
  RateLimits* const limits = context.services.limits;
  const std::string guesser = "device code by " + context.caller.user->name;
  if (limits != nullptr) limits->require_attempt(guesser, context.request.remote);
  const auto login = context.services.hub.device_logins().find(context.request.param("code"));
  if (login) return *login;
  if (limits != nullptr) limits->count_failure(guesser, context.request.remote);
  throw Error(Code::not_found, "This code is unknown or has expired; start the sign-in again.");
}

}  // namespace

http::Response start_device_login(Context& context) {
  const json::object body = read_form_or_json(context);
  const auto client = find_string(body, "client_id");
  if (!client || client->empty() || client->size() > 200) return oauth_refusal("invalid_request", "client_id is missing or too long.");
  const hub::DeviceCode code = context.services.hub.device_logins().start(*client, context.request.remote);
  const std::string page = context.request.base_url + "/device";
  http::Response response = json_answer(json::object{{"device_code", code.device_code}, {"user_code", code.user_code}, {"verification_uri", page},
                                                     {"verification_uri_complete", page + "?code=" + code.user_code}, {"expires_in", code.expires_in_s}, {"interval", code.interval_s}});
  response.headers.set("Cache-Control", "no-store");
  return response;
}

http::Response describe_device_login(Context& context) {
  const hub::DeviceLogin login = login_of(context);
  return json_answer(json::object{{"code", login.user_code}, {"client", login.client_id}, {"address", login.address}, {"status", login.status},
                                  {"createdAt", iso8601(login.created_ms)}, {"expiresAt", iso8601(login.expires_ms)}});
}

http::Response decide_device_login(Context& context) {
  const json::object body = read_json_body(context);
  const hub::DeviceLogin login = login_of(context);
  const std::string role = find_string(body, "role").value_or("write");
  if (role != "read" && role != "write") throw Error(Code::invalid_argument, "role is read or write.");
  const auto approve = find_bool(body, "approve");
  if (!approve) throw Error(Code::invalid_argument, "approve is true or false.");
  context.services.hub.device_logins().decide(context.caller, login.user_code, *approve, role == "write" ? hub::Scope::write : hub::Scope::read);
  return json_answer(json::object{{"status", *approve ? "approved" : "denied"}});
}

}  // namespace lyceum::api
