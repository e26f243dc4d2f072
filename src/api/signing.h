// signing.h: short-lived proofs that this hub issued, for callers that cannot send a token: signed URLs (LFS clients drop our
// headers) and signed claims (Xet tokens). HMAC-SHA-256 under Hub::signing_key(); nothing is stored, expiry is inside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/route.h"
#include "base/json.h"

namespace lyceum::api {

// "<base64url of the JSON>.<hex HMAC>". purpose separates uses: a token for one is worthless for another.
std::string make_signed_token(hub::Hub& hub, std::string_view purpose, json::object claims, int64_t expires_ms);
// The claims, or nullopt if the token is malformed, forged, made for another purpose, or expired at now_ms.
std::optional<json::object> find_signed_claims(hub::Hub& hub, std::string_view purpose, std::string_view token, int64_t now_ms);

// base_url + path (escaped, without a query) + "?expires=…&signature=…", good for one method and exactly that path.
// extra: further query text to cover ("size=10"), escaped already; may be empty.
std::string sign_url(hub::Hub& hub, const std::string& base_url, std::string_view method, std::string_view path,
                     int64_t expires_ms, std::string_view extra = {});
// For rows with Access::signed_url. Throws Error(forbidden) when the signature is absent, wrong, or expired. HEAD passes as GET.
void require_signed_url(const http::Request& request, hub::Hub& hub, int64_t now_ms);

}  // namespace lyceum::api
