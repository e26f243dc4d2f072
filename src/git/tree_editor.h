// tree_editor.h: a new tree from an old one by a list of edits. Only folders on the way to an edit are read and rewritten; the
// rest keeps its object id.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "git/repository.h"

namespace lyceum::git {

class TreeEditor {
 public:
  // base: the tree to start from; nullopt for an empty one. The repository must outlive the editor.
  TreeEditor(const Repository& repository, std::optional<Oid> base);
  ~TreeEditor();

  std::optional<TreeEntry> find(std::string_view path);
  // Error(invalid_argument) when a folder has this path or a file stands where a folder is needed.
  void put(std::string_view path, Mode mode, const Oid& oid);
  // Removes a file, or a folder with everything in it; folders left empty vanish, as git has none. False if absent.
  bool remove(std::string_view path);
  // Serialises what changed into `objects` and returns the id of the root tree.
  Oid write(std::map<Oid, Repository::NewObject>& objects);

 private:
  struct Node;
  struct Slot;
  Node& load(Slot& slot);
  Oid write_node(Node& node, std::map<Oid, Repository::NewObject>& objects);
  static bool remove_in(TreeEditor& editor, Node& node, std::string_view path);

  const Repository& repository_;
  std::unique_ptr<Node> root_;
};

}  // namespace lyceum::git
