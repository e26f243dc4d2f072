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

json::array organisation_claims(Context& context, const hub::User& user, const hub::Caller& asker) {
  json::array out;
  for (const hub::Membership& one : context.services.hub.memberships(user)) {
    if (!asker.lets_know_membership(one.organisation)) continue;
    out.push_back(json::object{{"sub", "org-" + std::to_string(one.id)}, {"name", one.full_name.empty() ? one.organisation : one.full_name}, {"preferred_username", one.organisation},
                               {"picture", context.request.base_url + "/icon.svg"}, {"isEnterprise", false}, {"roleInOrg", one.role}});
  }
  return out;
}

// What the credential lets its holder know, in userinfo and in id tokens alike. Nobody's address is verified here, so no site may take one
// for a proof of who it is.
json::object person_claims(Context& context, const hub::User& user, const hub::Caller& asker) {
  json::object claims{{"sub", std::to_string(user.id)}};
  if (asker.has_scope("profile")) {
    claims["name"] = user.full_name.empty() ? user.name : user.full_name;
    claims["preferred_username"] = user.name;
    claims["profile"] = context.request.base_url + "/" + user.name;
    claims["picture"] = context.request.base_url + "/icon.svg";
    claims["isPro"] = false;
    claims["canPay"] = false;
    claims["orgs"] = organisation_claims(context, user, asker);
  }
  if (asker.has_scope("email") && !user.email.empty()) claims["email"] = user.email, claims["email_verified"] = false;
  return claims;
}

}  // namespace

std::string make_id_token(Context& context, const hub::CodeAnswer& answer) {
  const RsaKey key = RsaKey::from_pem(context.services.hub.oauth_apps().signing_key());
  const int64_t now = context.services.clock.now_ms() / 1000;
  const auto caller = context.services.hub.authenticate(answer.access_token);
  if (!caller) throw Error(Code::unavailable, "The sign-in ended while it began; start it again.");
  json::object claims = person_claims(context, answer.user, *caller);
  claims["iss"] = answer.issuer;
  claims["aud"] = answer.client_id;
  claims["iat"] = now;
  claims["exp"] = now + answer.expires_in_s;
  claims["at_hash"] = to_base64url(sha256_raw(answer.access_token).substr(0, 16));
  if (!answer.nonce.empty()) claims["nonce"] = answer.nonce;
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
      {"token_endpoint", base + "/oauth/token"}, {"revocation_endpoint", base + "/oauth/revoke"}, {"userinfo_endpoint", base + "/oauth/userinfo"}, {"jwks_uri", base + "/oauth/jwks"},
      {"grant_types_supported", json::array{"authorization_code", "urn:ietf:params:oauth:grant-type:device_code", "refresh_token"}},
      {"response_types_supported", json::array{"code"}}, {"response_modes_supported", json::array{"query"}}, {"code_challenge_methods_supported", json::array{"S256"}},
      {"id_token_signing_alg_values_supported", json::array{"RS256"}}, {"scopes_supported", json::value_from(hub::oauth_scope_names())},
      {"subject_types_supported", json::array{"public"}}, {"token_endpoint_auth_methods_supported", json::array{"none", "client_secret_basic", "client_secret_post"}},
      {"revocation_endpoint_auth_methods_supported", json::array{"none", "client_secret_basic", "client_secret_post"}},
      {"authorization_response_iss_parameter_supported", true}, {"request_parameter_supported", false}, {"request_uri_parameter_supported", false},
      {"claims_supported", json::array{"sub", "iss", "aud", "exp", "iat", "nonce", "name", "preferred_username", "profile", "picture", "email", "email_verified"}}});
}

http::Response show_userinfo(Context& context) { return json_answer(person_claims(context, *context.caller.user, context.caller)); }

}  // namespace lyceum::api
