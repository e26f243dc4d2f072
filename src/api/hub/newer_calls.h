// newer_calls.h: handlers of what huggingface_hub's newer versions ask: search of Spaces, and what is not offered here.
#pragma once

#include "api/route.h"

namespace lyceum::api {

// listing.cpp
http::Response search_spaces(Context& context);

// unsupported.cpp
http::Response refuse_papers(Context& context);
http::Response refuse_attachments(Context& context);
http::Response list_no_scores(Context& context);

}  // namespace lyceum::api
