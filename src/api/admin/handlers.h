// handlers.h: Lyceum's own routes: what the pages and the command line need beyond the Hugging Face protocol.
#pragma once

#include "api/route.h"

namespace lyceum::api {

// accounts.cpp
http::Response describe_me(Context& context);
http::Response sign_in(Context& context);
http::Response sign_out(Context& context);
http::Response create_user(Context& context);
http::Response change_password(Context& context);
http::Response create_organisation(Context& context);
http::Response delete_organisation(Context& context);
http::Response set_member(Context& context);
http::Response remove_member(Context& context);

// tokens.cpp
http::Response list_tokens(Context& context);
http::Response create_token(Context& context);
http::Response revoke_token(Context& context);
http::Response revoke_credentials(Context& context);

// audit.cpp
http::Response list_audit(Context& context);
http::Response verify_audit(Context& context);

// card.cpp, stats.cpp
http::Response render_card(Context& context);
http::Response show_stats(Context& context);
http::Response describe_api(Context& context);

// quotas.cpp
http::Response describe_quota(Context& context);
http::Response set_quota(Context& context);
// operations.cpp
http::Response show_metrics(Context& context);
http::Response show_health(Context& context);
http::Response show_readiness(Context& context);
http::Response collect_garbage(Context& context);

// pages.cpp
http::Response serve_asset(Context& context);
http::Response serve_page(Context& context);
http::Response answer_preflight(Context& context);
http::Response refuse_unknown(Context& context);

}  // namespace lyceum::api
