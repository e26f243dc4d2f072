#include "hub/commit_builder.h"

#include <algorithm>

#include "base/error.h"
#include "git/lfs_pointer.h"
#include "hub/names.h"

namespace lyceum::hub {
namespace {

constexpr std::string_view kAttributesName = ".gitattributes";
constexpr size_t kAttributesBytesMax = 1u << 20;
constexpr size_t kObjectsHeldMax = 16u << 20;

bool is_attributes_file(std::string_view path) { return path.substr(path.rfind('/') + 1) == kAttributesName; }

Error missing(std::string_view path) {
  return {Code::not_found, "A file with this name doesn't exist: " + std::string(path.substr(0, 900)), "EntryNotFound"};
}

// `git fsck --strict` refuses longer lines.
void check_attributes(std::string_view path, std::string_view content) {
  constexpr size_t kLineMax = 2048;
  if (content.size() > kAttributesBytesMax) throw Error(Code::too_large, std::string(path) + " may have at most 1 MiB");
  while (!content.empty()) {
    const size_t end = content.find('\n');
    if (std::min(end, content.size()) >= kLineMax) throw Error(Code::invalid_argument, std::string(path) + " has a line of 2048 bytes or more, which git refuses");
    content = end == std::string_view::npos ? std::string_view() : content.substr(end + 1);
  }
}

}  // namespace

CommitBuilder::CommitBuilder(HubImpl& hub, const Caller& caller, const Repo& repo, git::Repository& git, const git::Oid& base_tree)
    : hub_(hub), caller_(caller), repo_(repo), git_(git), reader_(hub.store_->read()), editor_(git, base_tree) {}

void CommitBuilder::apply(const CommitAction& action) {
  std::visit([this](const auto& concrete) { add(concrete); }, action);
}

void CommitBuilder::add(const AddFile& action) { add_content(action.path, action.content); }

void CommitBuilder::add(const AddSpooledFile& action) { add_content(action.path, action.content->read()); }

void CommitBuilder::add_content(const std::string& path, std::string content) {
  check_path(path);
  const uint64_t limit = hub_.options_.inline_limit_bytes;
  if (content.size() > limit) {
    throw Error(Code::too_large, path + " has " + std::to_string(content.size()) + " bytes; files over " + std::to_string(limit) +
                                     " bytes must be uploaded through Xet or Git LFS");
  }
  if (is_attributes_file(path)) check_attributes(path, content);
  if (const auto pointer = git::find_lfs_pointer(content)) {
    // Somebody uploads a working copy whose large files were not fetched. Fine if the file itself is here already.
    return put_large(path, pointer->sha256, pointer->size);
  }
  const git::FilterRule rule = filter_of(path);
  if (!hub_.decide_large(rule, content.size(), std::string_view(content).substr(0, 8192))) {
    return put_content(path, std::move(content));
  }
  const auto writer = hub_.blobs_->write();
  writer->write(as_bytes(content));
  const std::string sha256 = writer->finish(std::nullopt);
  blobs_used_.push_back(sha256);
  put_large(path, sha256, content.size());
}

void CommitBuilder::add(const AddLargeFile& action) {
  check_path(action.path);
  put_large(action.path, action.sha256, action.size);
}

void CommitBuilder::add(const DeleteEntry& action) {
  std::string_view path = action.path;
  while (path.ends_with('/')) path.remove_suffix(1);
  const auto entry = path.empty() ? std::nullopt : editor_.find(path);
  if (!entry || (action.folder && !entry->is_folder())) throw missing(action.path);
  editor_.remove(path);
  if (is_attributes_file(path) || entry->is_folder()) attributes_.clear();
}

void CommitBuilder::add(const CopyFile& action) {
  check_path(action.to_path);
  const std::string revision = action.from_revision.empty() ? repo_.head : action.from_revision;
  const auto commit = git::find_oid(hub_.resolve_revision(repo_, revision));
  const auto entry = git_.find_path(git_.read_commit(*commit).tree, action.from_path);
  if (!entry || action.from_path.empty()) throw missing(action.from_path);
  if (!entry->is_blob()) throw Error(Code::invalid_argument, action.from_path + " is a folder; only files can be copied");
  const std::string content = read(*entry);
  if (const auto pointer = git::find_lfs_pointer(content)) return put_large(action.to_path, pointer->sha256, pointer->size);
  put_content(action.to_path, content);
}

void CommitBuilder::put_content(const std::string& path, std::string content) {
  const auto existing = editor_.find(path);
  const git::Mode mode = existing && existing->mode == git::Mode::executable ? git::Mode::executable : git::Mode::file;
  const git::Oid oid = git::object_id(git::Kind::blob, content);
  editor_.put(path, mode, oid);
  objects_bytes_ += content.size();
  objects_.try_emplace(oid, git::Repository::NewObject{git::Kind::blob, std::move(content)});
  if (is_attributes_file(path)) attributes_.clear();
  if (objects_bytes_ <= kObjectsHeldMax) return;
  git_.write_objects(objects_);
  objects_.clear();
  objects_bytes_ = 0;
}

void CommitBuilder::put_large(const std::string& path, const std::string& sha256, uint64_t size) {
  if (is_attributes_file(path)) throw Error(Code::invalid_argument, path + " cannot be a large file");
  if (!is_hex(sha256, 64)) throw Error(Code::invalid_argument, "the oid of " + path + " is not a SHA-256 in lower-case hexadecimal");
  const bool just_received = std::find(blobs_used_.begin(), blobs_used_.end(), sha256) != blobs_used_.end();
  if (!hub_.blobs_->keep(sha256) || (!just_received && !hub_.may_use_blob(*reader_, &caller_, repo_, sha256))) {
    throw Error(Code::invalid_argument, "the content of " + path + " (SHA-256 " + sha256 + ") has not been uploaded to this repository; upload the file itself first");
  }
  const uint64_t stored = hub_.blobs_->get_size(sha256);
  if (size != 0 && size != stored) {
    throw Error(Code::invalid_argument, path + " is announced with " + std::to_string(size) + " bytes, but the stored content has " + std::to_string(stored));
  }
  if (!just_received) blobs_used_.push_back(sha256);
  put_content(path, git::format_lfs_pointer({sha256, stored}));
  large_paths_.push_back(path);
}

std::string CommitBuilder::read(const git::TreeEntry& entry) const {
  const auto fresh = objects_.find(entry.oid);
  return fresh != objects_.end() ? fresh->second.content : git_.read_object(entry.oid, git::Kind::blob);
}

git::FilterRule CommitBuilder::filter_of(std::string_view path) {
  const size_t last = path.rfind('/');
  const std::string folder(last == std::string_view::npos ? std::string_view() : path.substr(0, last));
  const auto known = attributes_.find(folder);
  if (known != attributes_.end()) return known->second.filter_of(path);
  git::Attributes attributes;
  for (size_t slash = 0; slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
    const std::string prefix(path.substr(0, slash));
    const auto entry = editor_.find(prefix.empty() ? std::string(kAttributesName) : prefix + "/" + std::string(kAttributesName));
    if (entry && entry->is_blob()) attributes.add(prefix, std::string_view(read(*entry)).substr(0, kAttributesBytesMax));
  }
  return attributes_.emplace(folder, std::move(attributes)).first->second.filter_of(path);
}

void CommitBuilder::add_attribute_lines() {
  std::string lines;
  std::sort(large_paths_.begin(), large_paths_.end());
  large_paths_.erase(std::unique(large_paths_.begin(), large_paths_.end()), large_paths_.end());
  for (const std::string& path : large_paths_) {
    if (!editor_.find(path)) continue;  // deleted again by a later action
    if (filter_of(path) != git::FilterRule::lfs) lines += git::lfs_attributes_line(path);
  }
  if (lines.empty()) return;
  const auto entry = editor_.find(kAttributesName);
  if (entry && !entry->is_blob()) throw Error(Code::invalid_argument, ".gitattributes must be a file");
  std::string content = entry ? read(*entry) : std::string();
  if (!content.empty() && content.back() != '\n') content.push_back('\n');
  put_content(std::string(kAttributesName), content + lines);
}

git::Oid CommitBuilder::finish() {
  add_attribute_lines();
  return editor_.write(objects_);
}

}  // namespace lyceum::hub
