// disk_blob_store.h: blobs/ab/cd/<sha256>, received in staging/ and moved into place when their digest is known and they are on disk.
#pragma once

#include <mutex>

#include "hub/blobs/blob_guard.h"
#include "hub/blobs/blob_store.h"

namespace lyceum::hub {

class DiskBlobStore final : public BlobStore {
 public:
  // Both folders must be on one file system (blobs arrive by rename).
  DiskBlobStore(std::filesystem::path blobs, std::filesystem::path staging, BlobGuard guard = {});

  bool has(std::string_view sha256) const override;
  uint64_t get_size(std::string_view sha256) const override;
  std::string load(std::string_view sha256, uint64_t offset, uint64_t length) const override;
  std::filesystem::path get_path(std::string_view sha256) const override;
  std::unique_ptr<BlobWriter> write() override;
  bool keep(std::string_view sha256) override;
  std::optional<int64_t> find_age_ms(std::string_view sha256) const override;  // by the file's modification time
  bool remove_if_older(std::string_view sha256, int64_t age_ms) override;
  void for_each(const std::function<void(const std::string& sha256, uint64_t size)>& visit) const override;

 private:
  std::filesystem::path blobs_, staging_;
  const BlobGuard guard_;
  std::mutex keep_mutex_;  // between a blob found too old and its removal, nobody may be told that it is kept
};

}  // namespace lyceum::hub
