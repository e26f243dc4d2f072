// s3_options.h: where large files are, when they are in an S3 store.
#pragma once

#include <cstdint>
#include <string>

namespace lyceum::hub {

struct S3Options {
  std::string endpoint;  // https://s3.example.org; empty: large files are in the data folder
  std::string bucket;
  std::string prefix;    // of all keys, such as "lyceum/"
  std::string region = "us-east-1";
  std::string key_id, secret;
  bool path_style = true;        // endpoint/bucket/key; false: bucket.endpoint/key
  bool redirect = false;         // send clients to the store with a signed link, instead of sending the bytes
  uint64_t cache_bytes = 100ULL << 30;  // local copies of what was read or written last
  uint64_t part_bytes = 64ULL << 20;    // larger files are sent in parts of this size (at least 5 MiB, S3's rule)
};

}  // namespace lyceum::hub
