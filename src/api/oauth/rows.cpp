#include "api/groups.h"
#include "api/oauth/handlers.h"

namespace lyceum::api {
namespace {

using enum Access;

constexpr RouteRow kRows[] = {
    {"POST", "/oauth/device", anyone, "Starts a sign-in from another device (RFC 8628)", start_device_login},
    {"POST", "/oauth/token", anyone, "Tokens for a code or a refresh token; the handler checks it, and the application's secret", issue_oauth_token},
    {"POST", "/oauth/revoke", anyone, "Ends a sign-in by one of its tokens (RFC 7009): whoever holds it may", revoke_oauth_token},
    {"GET", "/.well-known/openid-configuration", anyone, "Which parts of OpenID Connect are served", describe_openid},
    {"GET", "/oauth/jwks", anyone, "The public key of id tokens", list_openid_keys},
    {"GET", "/oauth/userinfo", signed_in, "The user of the token", show_userinfo},
    {"POST", "/oauth/userinfo", signed_in, "The user of the token", show_userinfo},
    {"GET", "/api/lyceum/device/{code}", write_token, "A sign-in that waits for approval", describe_device_login},
    {"POST", "/api/lyceum/device/{code}", write_token, "Approves or denies a sign-in", decide_device_login},
    {"GET", "/api/lyceum/oauth/authorization", write_token, "What an application asks for, by the query of /oauth/authorize", describe_authorization},
    {"POST", "/api/lyceum/oauth/authorization", write_token, "Lets it in or not; answers where the browser goes", decide_authorization},
    {"GET", "/api/lyceum/oauth/apps", write_token, "The applications that the caller registered", list_oauth_apps},
    {"POST", "/api/lyceum/oauth/apps", write_token, "Registers an application; its secret is shown this once", create_oauth_app},
    {"DELETE", "/api/lyceum/oauth/apps/{id}", write_token, "Removes an application and ends the tokens that it got", delete_oauth_app},
};

}  // namespace

std::span<const RouteRow> oauth_rows() { return kRows; }

}  // namespace lyceum::api
