// lfs_messages.h: what Git LFS clients send as JSON, read and checked: the batch, the end of an upload in parts, the question whether an
// object is there. Knows no repository and no caller.
//
// Git LFS batch API (git-lfs docs/api/batch.md); "multipart" and "xet" are transfers of the Hugging Face clients.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace lyceum::api {

inline constexpr size_t kLfsBatchBytesMax = 32u << 20, kLfsObjectsMax = 10000;

struct LfsObject {
  std::string oid;
  int64_t size = 0;
  bool sound() const noexcept;  // a SHA-256 in lower-case hexadecimal, and a size that is not negative
};

struct LfsBatch {
  bool xet = false, multipart = false;  // transfers that the client offers
  std::string revision = "main";        // of "ref", without refs/heads/
  std::vector<LfsObject> objects;       // unsound ones, too: they are answered one by one
};

struct LfsPart {
  int64_t number = 0;
  std::string etag;  // without quotes
};

// Every one of these throws Error that names what is wrong: unprocessable, conflict (another hash than SHA-256), too_large, or
// invalid_argument where a value has another type.
bool is_lfs_upload(const json::object& body);  // the batch's operation
LfsBatch parse_lfs_batch(const json::object& body);
LfsObject parse_lfs_object(const json::object& body);
// The parts of a finished upload, in order from 1, for the object of the link.
std::vector<LfsPart> parse_lfs_parts(const json::object& body, const std::string& oid);

}  // namespace lyceum::api
