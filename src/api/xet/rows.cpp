// The routes of the Xet protocol. Old and new clients differ in the prefix of a chunk query ("default-merkledb", "default"), so
// it is a parameter that nothing reads.
#include "api/xet/handlers.h"
#include "api/xet/xet.h"

namespace lyceum::api {
namespace {

constexpr RouteRow kRows[] = {
    {"GET", "/api/{type}/{ns}/{name}/xet-read-token/{rev*}", Access::repo_content, "Token and address for reading files through Xet", get_xet_read_token},
    {"GET", "/api/{type}/{ns}/{name}/xet-write-token/{rev*}", Access::repo_participate, "Token and address for uploading files through Xet", get_xet_write_token},
    {"POST", "/xet/{store}/v1/xorbs/{prefix}/{hash}", Access::signed_url, "Upload a xorb", post_xorb},
    {"HEAD", "/xet/{store}/v1/xorbs/{prefix}/{hash}", Access::signed_url, "Is a xorb stored?", head_xorb},
    {"POST", "/xet/{store}/v1/xorb-grants/{prefix}/{hash}", Access::signed_url, "Direct uploads to an object store are not offered", refuse_xorb_grant},
    {"POST", "/xet/{store}/v1/shards", Access::signed_url, "Register uploaded files", post_shard_v1},
    {"POST", "/xet/{store}/v2/shards", Access::signed_url, "Register uploaded files, with progress", post_shard_v2},
    {"GET", "/xet/{store}/v1/reconstructions", Access::signed_url, "How to rebuild several files", get_reconstructions_batch},
    {"POST", "/xet/{store}/v1/reconstructions", Access::signed_url, "How to rebuild several files", get_reconstructions_batch},
    {"GET", "/xet/{store}/v1/reconstructions/{hash}", Access::signed_url, "How to rebuild a file or a range of it", get_reconstruction_v1},
    {"GET", "/xet/{store}/v2/reconstructions/{hash}", Access::signed_url, "How to rebuild a file or a range of it", get_reconstruction_v2},
    {"HEAD", "/xet/{store}/v1/files/{hash}", Access::signed_url, "Is a file stored?", head_xet_file},
    {"GET", "/xet/{store}/v1/transfer/{hash}", Access::signed_url, "Signed ranges of a xorb", get_xorb_bytes},
    {"GET", "/xet/{store}/v1/chunks/{prefix}/{hash}", Access::signed_url, "Where a chunk is stored already", get_dedup_shard},
    {"POST", "/v1/telemetry", Access::anyone, "Clients' transfer figures; not kept", post_xet_telemetry},
};

}  // namespace

std::span<const RouteRow> xet_rows() { return kRows; }

}  // namespace lyceum::api
