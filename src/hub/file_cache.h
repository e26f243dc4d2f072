// file_cache.h: small files and their places, so that the files clients ask for over and over (config.json) cost no git object read.
//
// Everything in it is immutable: a path in a commit is one blob for ever, a blob id is one content for ever. Whether the caller may see the
// repository is decided before anyone looks here. Large files are not in it: who may use them changes.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "hub/hub.h"

namespace lyceum::hub {

// Any thread. The least recently used leave first.
class FileCache {
 public:
  explicit FileCache(size_t bytes_max) : bytes_max_(bytes_max) {}

  static constexpr size_t kContentBytesMax = 256u << 10;  // larger ones are not worth a place

  std::optional<FileEntry> find_entry(const Repo& repo, std::string_view commit, std::string_view path);
  void put_entry(const Repo& repo, std::string_view commit, const FileEntry& entry);
  std::optional<std::string> find_content(std::string_view oid);
  void put_content(std::string_view oid, const std::string& content);

 private:
  struct Item {
    std::string key;
    FileEntry entry;       // or
    std::string content;
    size_t bytes() const { return 2 * key.size() + content.size() + 300; }
  };
  const Item* find(const std::string& key);
  void put(Item item);

  const size_t bytes_max_;
  std::mutex mutex_;
  std::list<Item> items_;  // most recently used first
  std::unordered_map<std::string_view, std::list<Item>::iterator> by_key_;
  size_t bytes_ = 0;
};

}  // namespace lyceum::hub
