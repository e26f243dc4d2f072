// handlers.h: OAuth 2.0 and OpenID Connect: the device flow of `hf auth login`, signing in to other sites with this hub, renewal, and who a
// token belongs to.
#pragma once

#include "api/route.h"

namespace lyceum::api {

http::Response start_device_login(Context& context);
http::Response issue_oauth_token(Context& context);
http::Response revoke_oauth_token(Context& context);
http::Response describe_openid(Context& context);
http::Response list_openid_keys(Context& context);
http::Response show_userinfo(Context& context);
// For the page on which a person approves a program.
http::Response describe_device_login(Context& context);
http::Response decide_device_login(Context& context);
// For the page on which a person lets an application in, and for the developer of one.
http::Response describe_authorization(Context& context);
http::Response decide_authorization(Context& context);
http::Response list_oauth_apps(Context& context);
http::Response create_oauth_app(Context& context);
http::Response delete_oauth_app(Context& context);

http::Response oauth_refusal(std::string_view error, std::string_view description, int status = 400);  // RFC 6749, 5.2

}  // namespace lyceum::api
