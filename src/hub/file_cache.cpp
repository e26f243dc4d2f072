#include "hub/file_cache.h"

namespace lyceum::hub {
namespace {

std::string entry_key(const Repo& repo, std::string_view commit, std::string_view path) {
  std::string key = repo.public_id;  // never used twice, unlike the row's number
  return key.append(1, '\0').append(commit).append(1, '\0').append(path);
}

}  // namespace

std::optional<FileEntry> FileCache::find_entry(const Repo& repo, std::string_view commit, std::string_view path) {
  const std::string key = entry_key(repo, commit, path);
  const std::lock_guard lock(mutex_);
  const Item* item = find(key);
  return item ? std::optional(item->entry) : std::nullopt;
}

void FileCache::put_entry(const Repo& repo, std::string_view commit, const FileEntry& entry) { put({entry_key(repo, commit, entry.path), entry, {}}); }

std::optional<std::string> FileCache::find_content(std::string_view oid) {
  const std::string key(oid);
  const std::lock_guard lock(mutex_);
  const Item* item = find(key);
  return item ? std::optional(item->content) : std::nullopt;
}

void FileCache::put_content(std::string_view oid, const std::string& content) {
  if (content.size() <= kContentBytesMax) put({std::string(oid), {}, content});
}

const FileCache::Item* FileCache::find(const std::string& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  items_.splice(items_.begin(), items_, found->second);
  return &*found->second;
}

void FileCache::put(Item item) {
  const std::lock_guard lock(mutex_);
  if (by_key_.contains(item.key)) return;
  bytes_ += item.bytes();
  items_.push_front(std::move(item));
  by_key_.emplace(items_.front().key, items_.begin());
  while (bytes_ > bytes_max_) {
    bytes_ -= items_.back().bytes();
    by_key_.erase(items_.back().key);
    items_.pop_back();
  }
}

}  // namespace lyceum::hub
