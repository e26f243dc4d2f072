// html.h: text into HTML.
#pragma once

#include <string>
#include <string_view>

namespace lyceum {

// For the content of elements and for attributes in double quotes. Not for what a browser would run: scripts, styles, addresses.
std::string escape_html(std::string_view text);

}  // namespace lyceum
