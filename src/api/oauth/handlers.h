// handlers.h: OAuth 2.0 for programs: the device flow of `hf auth login`, renewal, and who the token belongs to (OpenID Connect's userinfo).
#pragma once

#include "api/route.h"

namespace lyceum::api {

http::Response start_device_login(Context& context);
http::Response issue_oauth_token(Context& context);
http::Response describe_openid(Context& context);
http::Response show_userinfo(Context& context);
// For the page on which a person approves.
http::Response describe_device_login(Context& context);
http::Response decide_device_login(Context& context);

}  // namespace lyceum::api
