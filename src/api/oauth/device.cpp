#include "hub/device_logins.h"

#include "api/answer.h"
#include "api/oauth/handlers.h"
#include "api/rate_limits.h"
#include "api/services.h"

namespace lyceum::api {
namespace {

constexpr std::string_view kDeviceGrant = "urn:ietf:params:oauth:grant-type:device_code";

// RFC 6749, 5.2: clients look at "error" in the body.
http::Response oauth_refusal(std::string_view error, std::string_view description) {
  http::Response response = json_answer(json::object{{"error", error}, {"error_description", description}}, 400);
  response.headers.set("Cache-Control", "no-store");
  return response;
}

std::string_view describe(std::string_view error) {
  if (error == "authorization_pending") return "The sign-in has not been approved yet.";
  if (error == "slow_down") return "Ask less often: add five seconds to the interval.";
  if (error == "expired_token") return "The code has expired or was used; start again.";
  if (error == "access_denied") return "The sign-in was denied.";
  return "The code or token is not valid for this client.";
}

http::Response token_answer(const hub::OauthAnswer& answer) {
  if (!answer.error.empty()) return oauth_refusal(answer.error, describe(answer.error));
  http::Response response = json_answer(json::object{{"access_token", answer.access_token}, {"refresh_token", answer.refresh_token}, {"token_type", "bearer"},
                                                     {"expires_in", answer.expires_in_s}, {"scope", "openid profile email read-repos write-repos manage-repos"}});
  response.headers.set("Cache-Control", "no-store");
  response.headers.set("Pragma", "no-cache");
  return response;
}

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

http::Response issue_oauth_token(Context& context) {
  const json::object body = read_form_or_json(context);
  const std::string grant = find_string(body, "grant_type").value_or(""), client = find_string(body, "client_id").value_or("");
  hub::DeviceLogins& logins = context.services.hub.device_logins();
  if (grant == kDeviceGrant) return token_answer(logins.poll(client, find_string(body, "device_code").value_or("")));
  if (grant == "refresh_token") return token_answer(logins.refresh(client, find_string(body, "refresh_token").value_or("")));
  return oauth_refusal("unsupported_grant_type", "Served are the device code and the refresh token.");
}

http::Response describe_openid(Context& context) {
  const std::string& base = context.request.base_url;
  return json_answer(json::object{
      {"issuer", base}, {"device_authorization_endpoint", base + "/oauth/device"}, {"token_endpoint", base + "/oauth/token"}, {"userinfo_endpoint", base + "/oauth/userinfo"},
      {"grant_types_supported", json::array{json::string(kDeviceGrant), "refresh_token"}}, {"response_types_supported", json::array{}},
      {"scopes_supported", json::array{"openid", "profile", "email", "read-repos", "write-repos", "manage-repos"}}, {"subject_types_supported", json::array{"public"}},
      {"token_endpoint_auth_methods_supported", json::array{"none"}},
      {"claims_supported", json::array{"sub", "name", "preferred_username", "profile", "picture", "email", "email_verified"}}});
}

http::Response show_userinfo(Context& context) {
  const hub::User& user = *context.caller.user;
  json::array organisations;
  for (const hub::Membership& one : context.services.hub.memberships(user))
    organisations.push_back(json::object{{"sub", one.organisation}, {"name", one.full_name.empty() ? one.organisation : one.full_name}, {"preferred_username", one.organisation},
                                         {"picture", ""}, {"roleInOrg", one.role}});
  return json_answer(json::object{{"sub", std::to_string(user.id)}, {"name", user.full_name.empty() ? user.name : user.full_name}, {"preferred_username", user.name},
                                  {"profile", context.request.base_url + "/" + user.name}, {"picture", ""}, {"email", user.email}, {"email_verified", true}, {"isPro", false},
                                  {"canPay", false}, {"orgs", std::move(organisations)}});
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
