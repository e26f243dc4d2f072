// repository.h: one bare repository on disk, over libgit2, which no other room sees.
//
// A Repository is a handle for one thread at a time; open several for several threads. Writes are durable on return (every
// file and folder fsynced). Configuration of the machine and of the user is never read. A full disk is Error(storage_full);
// anything else that fails here means a damaged store and is Error(internal).
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "git/object.h"

namespace lyceum::git {

struct ObjectInfo {
  Kind kind = Kind::blob;
  uint64_t size = 0;
};

class Repository {
 public:
  // Writes the skeleton of an empty bare repository whose HEAD is refs/heads/main. The folder must not exist.
  static void create(const std::filesystem::path& folder);

  explicit Repository(const std::filesystem::path& folder);
  ~Repository();
  Repository(const Repository&) = delete;
  Repository& operator=(const Repository&) = delete;
  const std::filesystem::path& folder() const noexcept { return folder_; }

  std::optional<ObjectInfo> find_object(const Oid& oid) const;
  std::string read_object(const Oid& oid, Kind kind) const;  // verifies the hash
  std::vector<TreeEntry> read_tree(const Oid& oid) const { return parse_tree(read_object(oid, Kind::tree)); }
  Commit read_commit(const Oid& oid) const { return parse_commit(read_object(oid, Kind::commit)); }
  // "" is the tree itself (an entry without a name).
  std::optional<TreeEntry> find_path(const Oid& tree, std::string_view path) const;
  std::optional<Oid> find_by_prefix(std::string_view hex) const;   // unique object, 4 digits or more
  std::optional<Oid> find_commit(const Oid& oid) const;            // the commit itself, or what an annotated tag points at
  bool is_ancestor(const Oid& ancestor, const Oid& of) const;

  std::map<std::string, Oid> list_refs() const;  // "refs/heads/main" -> object; HEAD is not among them
  void set_ref(const std::string& name, const Oid& target);
  void remove_ref(const std::string& name);      // no error if absent
  static bool is_valid_ref_name(const std::string& name);

  // Objects that are all durable on return: loose files for a few, one pack for many.
  struct NewObject {
    Kind kind = Kind::blob;
    std::string content;
  };
  void write_objects(const std::map<Oid, NewObject>& objects);

  // Removes lock files and temporary objects that a killed process left. Only while nothing else uses the repository.
  static void remove_leftovers(const std::filesystem::path& folder);

  struct State;  // libgit2's handles; defined in git/libgit2.h, for this room only
  State& state() const noexcept { return *state_; }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<State> state_;
};

}  // namespace lyceum::git
