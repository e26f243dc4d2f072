// file_cache.h: small files and their places, so that the files clients ask for over and over (config.json) cost no git object read.
//
// Everything in it is immutable: a path in a commit is one blob for ever, a blob id is one content for ever. Whether the caller may see the
// repository is decided before anyone looks here. Large files are not in it: who may use them changes.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/lru_cache.h"
#include "hub/hub.h"

namespace lyceum::hub {

// Any thread. The least recently used leave first.
class FileCache {
 public:
  explicit FileCache(size_t bytes_max) : items_(bytes_max) {}

  static constexpr size_t kContentBytesMax = 256u << 10;  // larger ones are not worth a place

  std::optional<FileEntry> find_entry(const Repo& repo, std::string_view commit, std::string_view path);
  void put_entry(const Repo& repo, std::string_view commit, const FileEntry& entry);
  std::optional<std::string> find_content(std::string_view oid);
  void put_content(std::string_view oid, const std::string& content);

 private:
  struct Item {
    FileEntry entry;       // or
    std::string content;
  };
  void put(std::string key, Item item);

  std::mutex mutex_;
  LruCache<Item> items_;
};

}  // namespace lyceum::hub
