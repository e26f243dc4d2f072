// html_filter.h: makes HTML written by strangers safe to put on our pages, by an allow-list of elements and attributes.
//
// The input is tokenised and written anew: only elements of the list come out, with only their listed attributes, quoted and
// escaped; everything else becomes text or vanishes. The output is balanced whatever the input. Links lead to http(s), mailto or this
// repository; pictures come from this repository only, so that a card cannot tell a third party who reads it.
#pragma once

#include <string>
#include <string_view>

namespace lyceum::api {

struct HtmlBase {
  std::string files;   // "/ns/name/resolve/main/": where relative links and pictures lead
};

std::string filter_html(std::string_view html, const HtmlBase& base);

}  // namespace lyceum::api
