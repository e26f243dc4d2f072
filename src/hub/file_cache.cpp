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
  const Item* item = items_.find(key);
  return item ? std::optional(item->entry) : std::nullopt;
}

void FileCache::put_entry(const Repo& repo, std::string_view commit, const FileEntry& entry) { put(entry_key(repo, commit, entry.path), {entry, {}}); }

std::optional<std::string> FileCache::find_content(std::string_view oid) {
  const std::string key(oid);
  const std::lock_guard lock(mutex_);
  const Item* item = items_.find(key);
  return item ? std::optional(item->content) : std::nullopt;
}

void FileCache::put_content(std::string_view oid, const std::string& content) {
  if (content.size() <= kContentBytesMax) put(std::string(oid), {{}, content});
}

void FileCache::put(std::string key, Item item) {
  const size_t bytes = 2 * key.size() + item.content.size() + 300;
  const std::lock_guard lock(mutex_);
  items_.put(std::move(key), std::move(item), bytes);
}

}  // namespace lyceum::hub
