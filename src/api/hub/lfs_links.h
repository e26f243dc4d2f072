// lfs_links.h: the addresses that a batch hands out for one upload, and what the signed ones say when they come back.
#pragma once

#include <cstdint>
#include <string>

#include "api/route.h"
#include "base/json.h"

namespace lyceum::api {

constexpr int64_t kLfsLinkLife_ms = 24 * 3600 * 1000;  // a large file on a slow line

std::string lfs_objects_path(const Context& context);                 // "/ns/name.git/info/lfs/objects/"
http::Response lfs_answer(const json::value& value, int status = 200);
// The repository of a signed link, looked up with the hub's own rights; the signature was the check.
hub::Repo signed_repo(const Context& context);
uint64_t signed_number(const http::Request& request, std::string_view name);  // from the signed query

// lfs_parts.cpp: the "upload" action of an upload in parts: href completes it, header holds "chunk_size" and one PUT address a part.
json::object lfs_parts_action(const Context& context, const std::string& oid, uint64_t size);
// Parts are at least part_bytes long, and long enough that 10,000 of them hold the file.
uint64_t lfs_part_size(uint64_t size, uint64_t part_bytes);

}  // namespace lyceum::api
