// handlers.h: what people say about repositories (discussions, pull requests) and who is told of what happens (webhooks).
#pragma once

#include "api/route.h"

namespace lyceum::api {

// discussions.cpp
http::Response list_discussions(Context& context);
http::Response create_discussion(Context& context);
http::Response describe_discussion(Context& context);
http::Response comment_discussion(Context& context);
http::Response rename_discussion(Context& context);
http::Response change_discussion_status(Context& context);
http::Response merge_pull_request(Context& context);
http::Response edit_comment(Context& context);
http::Response hide_comment(Context& context);

// webhooks.cpp
http::Response list_webhooks(Context& context);
http::Response create_webhook(Context& context);
http::Response describe_webhook(Context& context);
http::Response update_webhook(Context& context);
http::Response delete_webhook(Context& context);
http::Response enable_webhook(Context& context);
http::Response disable_webhook(Context& context);
http::Response list_deliveries(Context& context);
http::Response replay_delivery(Context& context);

}  // namespace lyceum::api
