#include "api/groups.h"
#include "api/oauth/handlers.h"

namespace lyceum::api {
namespace {

using enum Access;

constexpr RouteRow kRows[] = {
    {"POST", "/oauth/device", anyone, "Starts a sign-in from another device (RFC 8628)", start_device_login},
    {"POST", "/oauth/token", anyone, "Tokens for a device code or a refresh token; the handler checks the code", issue_oauth_token},
    {"GET", "/.well-known/openid-configuration", anyone, "Which parts of OpenID Connect are served", describe_openid},
    {"GET", "/oauth/userinfo", signed_in, "The user of the token", show_userinfo},
    {"POST", "/oauth/userinfo", signed_in, "The user of the token", show_userinfo},
    {"GET", "/api/lyceum/device/{code}", signed_in, "A sign-in that waits for approval", describe_device_login},
    {"POST", "/api/lyceum/device/{code}", write_token, "Approves or denies a sign-in", decide_device_login},
};

}  // namespace

std::span<const RouteRow> oauth_rows() { return kRows; }

}  // namespace lyceum::api
