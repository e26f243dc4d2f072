// request_head.h: from the parsed header of a request to the fields handlers read. No socket, no Beast.
#pragma once

#include <string>
#include <string_view>

#include "http/message.h"

namespace lyceum::http {

// Fills target, path and query. Accepts "/path?query", an absolute URL (as sent to proxies) and "*". Throws Error(invalid_argument).
void set_target(Request& request, std::string_view target);

// scheme://host[:port][/prefix] that the client used: public_url if set, else X-Forwarded-Proto, -Host and -Prefix, else Host, else
// `fallback_host`; `secure` says whether the connection itself is TLS. Values that could not be part of a URL are ignored, so that a header never ends up as markup or as another header.
std::string base_url_of(const Headers& headers, std::string_view public_url, std::string_view fallback_host, bool secure = false);

// The client's own X-Request-Id if it is short and plain, else a new one.
std::string request_id_of(const Headers& headers);

}  // namespace lyceum::http
