// register_shard.h: turns what a client uploaded into stored files.
#pragma once

#include <cstdint>
#include <functional>

#include "hub/hub.h"
#include "xet/shard.h"

namespace lyceum::api {

struct ShardProgress {
  uint64_t bytes_done = 0, bytes_total = 0;
};

// For each file of the shard: checks that every chunk it names is here and that the client proved to know it, computes the file
// hash again, writes the file while hashing it, compares with the SHA-256 the client stated, links it to the repository and
// indexes it. Xorbs whose chunks all became parts of files leave staging/. Any wrong file ends it with an Error; files before it stay.
// Returns true if something was new. progress is called often, from the calling thread.
bool register_shard(hub::Hub& hub, const hub::Repo& repo, const xet::Shard& shard, const std::function<void(const ShardProgress&)>& progress);

}  // namespace lyceum::api
