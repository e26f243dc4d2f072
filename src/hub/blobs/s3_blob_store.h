// s3_blob_store.h: large files as objects blobs/<sha256> of an S3 bucket, with a folder of local copies.
//
//   write():  staging/ (hashed on the way) -> PUT with that hash -> HEAD -> the staged file becomes the local copy
//   read:     local copy if there is one, otherwise the object; get_path() fetches the whole object, checks its hash and keeps it
//
// Nothing reaches the bucket before its hash is known, so a crash leaves no object under a wrong name. The local copies are a cache: any
// of them may go at any time, the least recently used first, once they are over the limit. What an engine has mapped stays readable.
#pragma once

#include <map>
#include <mutex>
#include <condition_variable>
#include <set>

#include "hub/blobs/blob_guard.h"
#include "hub/blobs/blob_store.h"
#include "hub/blobs/s3_client.h"

namespace lyceum::hub {

class S3BlobStore final : public BlobStore {
 public:
  // Both folders on one file system. Error unless the bucket answers.
  S3BlobStore(const S3Options& options, std::filesystem::path cache, std::filesystem::path staging, BlobGuard guard = {});

  bool has(std::string_view sha256) const override;
  uint64_t get_size(std::string_view sha256) const override;
  std::string load(std::string_view sha256, uint64_t offset, uint64_t length) const override;
  std::filesystem::path get_path(std::string_view sha256) const override;
  std::unique_ptr<BlobWriter> write() override;
  // An age is that of the object, or of the mark uses/<sha256> that keep() leaves if the object is not new.
  bool keep(std::string_view sha256) override;
  std::optional<int64_t> find_age_ms(std::string_view sha256) const override;
  bool remove_if_older(std::string_view sha256, int64_t age_ms) override;  // the caller holds the guard
  void for_each(const std::function<void(const std::string& sha256, uint64_t size)>& visit) const override;
  std::string hash_content(std::string_view sha256) const override;
  std::string find_url(std::string_view sha256, const std::string& disposition, const std::string& type) const override;

 private:
  friend class S3BlobWriter;
  std::optional<uint64_t> find_size(std::string_view sha256) const;
  std::filesystem::path copy_path(std::string_view sha256) const;
  void note_kept(const std::string& sha256);
  void trust(const std::string& sha256) const;
  void check_copy(const std::string& sha256, const fs::path& path) const;
  bool use_copy(const std::filesystem::path& path) const;  // is it there? marks it as used
  void fetch(std::string_view sha256, const std::filesystem::path& target) const;
  void make_room() const;

  const S3Options options_;
  const std::filesystem::path cache_, staging_;
  mutable S3Client client_;
  mutable std::mutex mutex_;
  mutable std::condition_variable fetched_;
  mutable std::set<std::string> fetching_, trusted_;  // trusted: copies that this process wrote or has measured
  struct Known { uint64_t size = 0; int64_t until_ms = 0; };
  const BlobGuard guard_;
  std::map<std::string, int64_t, std::less<>> kept_;                // until when keep() need not ask again
  mutable std::map<std::string, Known, std::less<>> known_;  // sizes asked for lately
};

}  // namespace lyceum::hub
