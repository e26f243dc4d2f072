// handlers.h: the handlers behind rows.cpp and what they share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/route.h"
#include "xet/hash.h"

namespace lyceum::api {

http::Response get_xet_read_token(Context& context);
http::Response get_xet_write_token(Context& context);
http::Response post_xorb(Context& context);
http::Response head_xorb(Context& context);
http::Response refuse_xorb_grant(Context& context);
http::Response post_shard_v1(Context& context);
http::Response post_shard_v2(Context& context);
http::Response get_reconstruction_v1(Context& context);
http::Response get_reconstruction_v2(Context& context);
http::Response get_reconstructions_batch(Context& context);
http::Response head_xet_file(Context& context);
http::Response get_xorb_bytes(Context& context);
http::Response get_dedup_shard(Context& context);
http::Response post_xet_telemetry(Context& context);

// Who speaks to the store: made from the Xet token of the request, with the rights of today, not of when the token was made.
struct XetCaller {
  hub::Caller caller;
  hub::Repo repo;
};
// Error(unauthorized) without a valid token, which makes clients fetch a new one; Error(forbidden) for a read token where write
// is needed; RepoNotFound or GatedRepo when the right is gone.
XetCaller require_xet_caller(Context& context, hub::Scope scope);

// A hash out of the address: Error(invalid_argument) unless it has 64 lower-case hexadecimal digits.
xet::Hash require_hash(const Context& context, std::string_view parameter);

// The id that tells this data folder's store from others.
std::string xet_store_id(hub::Hub& hub);

}  // namespace lyceum::api
