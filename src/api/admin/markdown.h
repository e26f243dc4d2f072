// markdown.h: Markdown written by strangers as HTML that is safe on our pages: cmark-gfm, then html_filter.
#pragma once

#include <string>
#include <string_view>

#include "api/admin/html_filter.h"

namespace lyceum::api {

// Any length costs time (cmark-gfm is quadratic on some inputs): the caller limits it, 512 KiB at most.
std::string render_markdown(std::string_view markdown, const HtmlBase& base);

}  // namespace lyceum::api
