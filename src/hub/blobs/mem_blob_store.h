// mem_blob_store.h: the fake of BlobStore, for tests that need no disk.
#pragma once

#include <map>
#include <mutex>

#include "base/error.h"
#include "base/hash.h"
#include "hub/blobs/blob_store.h"

namespace lyceum::hub {

class MemBlobStore final : public BlobStore {
 public:
  bool has(std::string_view sha256) const override {
    const std::lock_guard lock(mutex_);
    return blobs_.contains(sha256);
  }
  uint64_t get_size(std::string_view sha256) const override { return get(sha256).size(); }
  std::string load(std::string_view sha256, uint64_t offset, uint64_t length) const override {
    const std::string bytes = get(sha256);
    return offset >= bytes.size() ? std::string() : bytes.substr(offset, length);
  }
  std::filesystem::path get_path(std::string_view) const override { throw Error(Code::unsupported, "blobs in memory have no path"); }
  std::unique_ptr<BlobWriter> write() override { return std::make_unique<Writer>(*this); }
  void for_each(const std::function<void(const std::string&, uint64_t)>& visit) const override {
    const std::lock_guard lock(mutex_);
    for (const auto& [sha256, bytes] : blobs_) visit(sha256, bytes.size());
  }

 private:
  class Writer final : public BlobWriter {
   public:
    explicit Writer(MemBlobStore& store) : store_(store) {}
    void write(Bytes bytes) override { content_.append(as_text(bytes)); }
    std::span<std::byte> room() override { return room_; }
    void filled(size_t count) override { write(std::span(room_).first(count)); }
    std::string finish(std::optional<std::string> expected) override {
      std::string sha256 = sha256_hex(std::string_view(content_));
      if (expected && *expected != sha256) throw Error(Code::unprocessable, "the uploaded bytes have SHA-256 " + sha256 + ", not " + *expected);
      const std::lock_guard lock(store_.mutex_);
      store_.blobs_.emplace(sha256, std::move(content_));
      return sha256;
    }

   private:
    MemBlobStore& store_;
    std::string content_;
    std::array<std::byte, 4096> room_{};
  };

  std::string get(std::string_view sha256) const {
    const std::lock_guard lock(mutex_);
    const auto found = blobs_.find(sha256);
    if (found == blobs_.end()) throw Error(Code::not_found, "no large file with SHA-256 " + std::string(sha256.substr(0, 64)) + " is stored here");
    return found->second;
  }

  mutable std::mutex mutex_;
  std::map<std::string, std::string, std::less<>> blobs_;
};

}  // namespace lyceum::hub
