// The token endpoint: codes and refresh tokens in, access tokens out (RFC 6749, 3.2).
#include "api/answer.h"
#include "api/oauth/handlers.h"
#include "api/oauth/openid.h"
#include "api/services.h"
#include "base/bytes.h"
#include "hub/device_logins.h"
#include "hub/oauth_apps.h"

namespace lyceum::api {
namespace {

constexpr std::string_view kDeviceGrant = "urn:ietf:params:oauth:grant-type:device_code";

std::string_view describe(std::string_view error) {
  if (error == "authorization_pending") return "The sign-in has not been approved yet.";
  if (error == "slow_down") return "Ask less often: add five seconds to the interval.";
  if (error == "expired_token") return "The code has expired or was used; start again.";
  if (error == "access_denied") return "The sign-in was denied.";
  if (error == "invalid_client") return "The application's secret is missing or wrong.";
  return "The code or token is not valid for this client: used, expired, or made for another address or verifier.";
}

http::Response secret_answer(const json::object& body) {
  http::Response response = json_answer(body);
  response.headers.set("Cache-Control", "no-store");
  response.headers.set("Pragma", "no-cache");
  return response;
}

http::Response device_answer(const hub::OauthAnswer& answer) {
  if (!answer.error.empty()) return oauth_refusal(answer.error, describe(answer.error));
  return secret_answer(json::object{{"access_token", answer.access_token}, {"refresh_token", answer.refresh_token}, {"token_type", "bearer"},
                                    {"expires_in", answer.expires_in_s}, {"scope", "openid profile email read-repos write-repos manage-repos"}});
}

// RFC 6749, 2.3.1: each half was escaped as in a form.
void read_basic(std::string_view header, hub::CodeExchange& out) {
  const auto text = header.size() > 6 ? find_from_base64(header.substr(6)) : std::nullopt;
  const size_t colon = text ? text->find(':') : std::string::npos;
  if (colon == std::string::npos) return;
  out.client_id = http::percent_decode(text->substr(0, colon), true);
  out.secret = http::percent_decode(text->substr(colon + 1), true);
}

http::Response exchange_code(Context& context, const json::object& body) {
  hub::CodeExchange wanted;
  wanted.client_id = find_string(body, "client_id").value_or("");
  wanted.secret = find_string(body, "client_secret");
  if (const auto header = context.request.headers.find("Authorization"); header && (header->starts_with("Basic ") || header->starts_with("basic "))) read_basic(*header, wanted);
  wanted.address = context.request.remote;
  wanted.code = find_string(body, "code").value_or("");
  wanted.redirect_uri = find_string(body, "redirect_uri").value_or("");
  wanted.verifier = find_string(body, "code_verifier").value_or("");
  const hub::CodeAnswer answer = context.services.hub.oauth_apps().exchange(wanted);
  if (answer.error == "invalid_client") {
    http::Response response = oauth_refusal(answer.error, describe(answer.error), 401);
    response.headers.set("WWW-Authenticate", "Basic realm=\"Lyceum\", charset=\"UTF-8\"");
    return response;
  }
  if (!answer.error.empty()) return oauth_refusal(answer.error, describe(answer.error));
  std::string scopes;
  for (const std::string& one : answer.scopes) scopes += (scopes.empty() ? "" : " ") + one;
  json::object out{{"access_token", answer.access_token}, {"token_type", "bearer"}, {"expires_in", answer.expires_in_s}, {"scope", scopes}};
  if (std::find(answer.scopes.begin(), answer.scopes.end(), "openid") != answer.scopes.end()) out["id_token"] = make_id_token(context, answer);
  return secret_answer(out);
}

}  // namespace

// Clients look at "error" in the body.
http::Response oauth_refusal(std::string_view error, std::string_view description, int status) {
  http::Response response = json_answer(json::object{{"error", error}, {"error_description", description}}, status);
  response.headers.set("Cache-Control", "no-store");
  return response;
}

http::Response issue_oauth_token(Context& context) {
  const json::object body = read_form_or_json(context);
  const std::string grant = find_string(body, "grant_type").value_or(""), client = find_string(body, "client_id").value_or("");
  hub::DeviceLogins& logins = context.services.hub.device_logins();
  if (grant == "authorization_code") return exchange_code(context, body);
  if (grant == kDeviceGrant) return device_answer(logins.poll(client, find_string(body, "device_code").value_or("")));
  if (grant == "refresh_token") return device_answer(logins.refresh(client, find_string(body, "refresh_token").value_or("")));
  return oauth_refusal("unsupported_grant_type", "Served are the authorization code, the device code and the refresh token.");
}

// 200 whether there was such a token or not (RFC 7009, 2.2). Its holder proves enough to end it, so an application's secret is not asked for.
http::Response revoke_oauth_token(Context& context) {
  const auto token = find_string(read_form_or_json(context), "token");
  if (!token) return oauth_refusal("invalid_request", "The field token names what to end.");
  context.services.hub.tokens().end_sign_in(context.caller, *token);
  return secret_answer(json::object{});
}

}  // namespace lyceum::api
