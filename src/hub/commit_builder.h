// commit_builder.h: applies the actions of one commit to a tree in memory. Objects gather in objects() for the caller to write; when they
// outgrow a few MiB they are written on the way, and large files that arrive inline go to the blob store at once (objects and blobs that
// nobody names are harmless).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "git/tree_editor.h"
#include "hub/hub_impl.h"

namespace lyceum::hub {

class CommitBuilder {
 public:
  CommitBuilder(HubImpl& hub, const Caller& caller, const Repo& repo, git::Repository& git, const git::Oid& base_tree);

  void apply(const CommitAction& action);
  // Adds .gitattributes lines for large files that no rule covers yet, and serialises the tree.
  git::Oid finish();
  std::map<git::Oid, git::Repository::NewObject>& objects() noexcept { return objects_; }
  const std::vector<std::string>& blobs_used() const noexcept { return blobs_used_; }

 private:
  void add(const AddFile& action);
  void add(const AddSpooledFile& action);
  void add(const AddLargeFile& action);
  void add(const DeleteEntry& action);
  void add(const CopyFile& action);
  void add_content(const std::string& path, std::string content);
  void put_content(const std::string& path, std::string content);
  void put_large(const std::string& path, const std::string& sha256, uint64_t size);
  std::string read(const git::TreeEntry& entry) const;
  git::FilterRule filter_of(std::string_view path);
  void add_attribute_lines();

  HubImpl& hub_;
  const Caller& caller_;
  const Repo& repo_;
  git::Repository& git_;
  Store::Reader reader_;
  git::TreeEditor editor_;
  std::map<git::Oid, git::Repository::NewObject> objects_;
  size_t objects_bytes_ = 0;
  std::vector<std::string> blobs_used_;
  std::vector<std::string> large_paths_;
  // Parsed .gitattributes by folder chain; dropped when a .gitattributes changes.
  std::map<std::string, git::Attributes> attributes_;
};

}  // namespace lyceum::hub
