// handlers.h: Lyceum's own routes: what the pages and the command line need beyond the Hugging Face protocol.
#pragma once

#include "api/route.h"

namespace lyceum::api {

// accounts.cpp
http::Response describe_me(Context& context);
http::Response sign_in(Context& context);
http::Response sign_out(Context& context);
http::Response list_tokens(Context& context);
http::Response create_token(Context& context);
http::Response revoke_token(Context& context);
http::Response create_user(Context& context);
http::Response change_password(Context& context);
http::Response create_organisation(Context& context);
http::Response set_member(Context& context);
http::Response remove_member(Context& context);

// card.cpp, stats.cpp
http::Response render_card(Context& context);
http::Response show_stats(Context& context);
http::Response describe_api(Context& context);

// pages.cpp
http::Response serve_asset(Context& context);
http::Response serve_page(Context& context);
http::Response refuse_unknown(Context& context);

}  // namespace lyceum::api
