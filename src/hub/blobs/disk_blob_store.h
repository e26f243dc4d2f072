// disk_blob_store.h: blobs/ab/cd/<sha256>, received in staging/ and moved into place when their digest is known and they are on disk.
#pragma once

#include "hub/blobs/blob_store.h"

namespace lyceum::hub {

class DiskBlobStore final : public BlobStore {
 public:
  // Both folders must be on one file system (blobs arrive by rename).
  DiskBlobStore(std::filesystem::path blobs, std::filesystem::path staging);

  bool has(std::string_view sha256) const override;
  uint64_t get_size(std::string_view sha256) const override;
  std::string load(std::string_view sha256, uint64_t offset, uint64_t length) const override;
  std::filesystem::path get_path(std::string_view sha256) const override;
  std::unique_ptr<BlobWriter> write() override;
  void for_each(const std::function<void(const std::string& sha256, uint64_t size)>& visit) const override;

 private:
  std::filesystem::path blobs_, staging_;
};

}  // namespace lyceum::hub
