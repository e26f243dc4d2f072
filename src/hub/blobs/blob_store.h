// blob_store.h: large files by SHA-256, whole, one copy each. The index of who may use which blob is elsewhere (repo_blobs).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/files.h"
#include "hub/hub.h"

namespace lyceum::hub {

// Any thread. A digest is 64 lower-case hex digits; anything else is treated as absent, so it never becomes a path.
class BlobStore {
 public:
  virtual ~BlobStore() = default;
  virtual bool has(std::string_view sha256) const = 0;
  virtual uint64_t get_size(std::string_view sha256) const = 0;               // Error(not_found)
  virtual std::string load(std::string_view sha256, uint64_t offset, uint64_t length) const = 0;  // clipped at the end
  virtual std::filesystem::path get_path(std::string_view sha256) const = 0;  // a plain local file; Error(unsupported) where there is none
  // A link with which a client may fetch the blob from the store itself for an hour; "" where clients get the bytes from us.
  virtual std::string find_url(std::string_view, const std::string& /*disposition*/, const std::string& /*type*/) const { return {}; }
  virtual std::string hash_content(std::string_view sha256) const { return sha256_file_hex(get_path(sha256)); }  // reads everything
  virtual std::unique_ptr<BlobWriter> write() = 0;
  // Garbage collection. A store without ages is never collected.
  virtual bool keep(std::string_view sha256) { return has(sha256); }               // its age starts anew; false: not stored
  virtual std::optional<int64_t> find_age_ms(std::string_view) const { return std::nullopt; }
  virtual bool remove_if_older(std::string_view, int64_t) { return false; }        // atomic against keep() and against receiving it again
  virtual void for_each(const std::function<void(const std::string& sha256, uint64_t size)>& visit) const = 0;
};

}  // namespace lyceum::hub
