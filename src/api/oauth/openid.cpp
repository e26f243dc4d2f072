#include "api/oauth/openid.h"

#include "api/answer.h"
#include "api/oauth/handlers.h"
#include "api/services.h"
#include "base/base64url.h"
#include "base/hash.h"
#include "base/rsa_key.h"

namespace lyceum::api {
namespace {

// Named by its content, so that a restored or replaced key is not taken for this one.
std::string key_id(const RsaKey& key) { return to_base64url(sha256_raw(key.modulus())).substr(0, 16); }

json::array organisation_claims(Context& context, const hub::User& user) {
  json::array out;
  for (const hub::Membership& one : context.services.hub.memberships(user)) {
    if (!context.caller.lets_know_membership(one.organisation)) continue;
    out.push_back(json::object{{"sub", one.organisation}, {"name", one.full_name.empty() ? one.organisation : one.full_name}, {"preferred_username", one.organisation},
                               {"picture", ""}, {"isEnterprise", false}, {"roleInOrg", one.role}});
  }
  return out;
}

void add_profile(Context& context, const hub::User& user, json::object& claims) {
  claims["name"] = user.full_name.empty() ? user.name : user.full_name;
  claims["preferred_username"] = user.name;
  claims["profile"] = context.request.base_url + "/" + user.name;
  claims["picture"] = "";
}

}  // namespace

std::string make_id_token(Context& context, const hub::CodeAnswer& answer) {
  const RsaKey key = RsaKey::from_pem(context.services.hub.oauth_apps().signing_key());
  const int64_t now = context.services.clock.now_ms() / 1000;
  json::object claims{{"iss", context.request.base_url}, {"sub", std::to_string(answer.user.id)}, {"aud", answer.client_id}, {"iat", now}, {"exp", now + answer.expires_in_s},
                      {"at_hash", to_base64url(sha256_raw(answer.access_token).substr(0, 16))}};
  if (!answer.nonce.empty()) claims["nonce"] = answer.nonce;
  for (const std::string& scope : answer.scopes) {
    if (scope == "profile") add_profile(context, answer.user, claims);
    if (scope == "email") claims["email"] = answer.user.email, claims["email_verified"] = true;
  }
  const json::object head{{"alg", "RS256"}, {"typ", "JWT"}, {"kid", key_id(key)}};
  const std::string text = to_base64url(json::serialize(head)) + "." + to_base64url(json::serialize(claims));
  return text + "." + to_base64url(key.sign(text));
}

http::Response list_openid_keys(Context& context) {
  const RsaKey key = RsaKey::from_pem(context.services.hub.oauth_apps().signing_key());
  return json_answer(json::object{{"keys", json::array{json::object{{"kty", "RSA"}, {"use", "sig"}, {"alg", "RS256"}, {"kid", key_id(key)},
                                                                    {"n", to_base64url(key.modulus())}, {"e", to_base64url(key.exponent())}}}}});
}

http::Response describe_openid(Context& context) {
  const std::string& base = context.request.base_url;
  return json_answer(json::object{
      {"issuer", base}, {"authorization_endpoint", base + "/oauth/authorize"}, {"device_authorization_endpoint", base + "/oauth/device"},
      {"token_endpoint", base + "/oauth/token"}, {"userinfo_endpoint", base + "/oauth/userinfo"}, {"jwks_uri", base + "/oauth/jwks"},
      {"grant_types_supported", json::array{"authorization_code", "urn:ietf:params:oauth:grant-type:device_code", "refresh_token"}},
      {"response_types_supported", json::array{"code"}}, {"response_modes_supported", json::array{"query"}}, {"code_challenge_methods_supported", json::array{"S256"}},
      {"id_token_signing_alg_values_supported", json::array{"RS256"}}, {"scopes_supported", json::value_from(hub::oauth_scope_names())},
      {"subject_types_supported", json::array{"public"}}, {"token_endpoint_auth_methods_supported", json::array{"none", "client_secret_basic", "client_secret_post"}},
      {"authorization_response_iss_parameter_supported", true},
      {"claims_supported", json::array{"sub", "iss", "aud", "exp", "iat", "nonce", "name", "preferred_username", "profile", "picture", "email", "email_verified"}}});
}

http::Response show_userinfo(Context& context) {
  const hub::User& user = *context.caller.user;
  json::object claims{{"sub", std::to_string(user.id)}, {"isPro", false}, {"canPay", false}};
  if (context.caller.lets_know("profile")) {
    add_profile(context, user, claims);
    claims["orgs"] = organisation_claims(context, user);
  }
  if (context.caller.lets_know("email")) claims["email"] = user.email, claims["email_verified"] = true;
  return json_answer(claims);
}

}  // namespace lyceum::api
