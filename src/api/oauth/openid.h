// openid.h: what other sites learn about a person (OpenID Connect Core 1.0).
#pragma once

#include <string>

#include "api/route.h"
#include "hub/oauth_apps.h"

namespace lyceum::api {

// A JSON Web Token, RS256, for the application that exchanged its code: the claims that its scopes let through.
std::string make_id_token(Context& context, const hub::CodeAnswer& answer);

}  // namespace lyceum::api
