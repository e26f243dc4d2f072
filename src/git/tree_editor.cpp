#include "git/tree_editor.h"

#include "base/error.h"

namespace lyceum::git {

// A folder is loaded the first time an edit passes through it; `dirty` marks those that must be written again.
struct TreeEditor::Slot {
  Mode mode = Mode::file;
  Oid oid;
  std::unique_ptr<Node> folder;
};

struct TreeEditor::Node {
  std::map<std::string, Slot, std::less<>> entries;
  Oid oid;
  bool dirty = false;
};

namespace {

std::pair<std::string_view, std::string_view> split_first(std::string_view path) {
  const size_t slash = path.find('/');
  if (slash == std::string_view::npos) return {path, {}};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

TreeEditor::TreeEditor(const Repository& repository, std::optional<Oid> base)
    : repository_(repository), root_(std::make_unique<Node>()) {
  if (!base) {
    root_->dirty = true;
    return;
  }
  Slot slot{Mode::folder, *base, nullptr};
  load(slot);
  root_ = std::move(slot.folder);
}

TreeEditor::~TreeEditor() = default;

TreeEditor::Node& TreeEditor::load(Slot& slot) {
  if (slot.folder) return *slot.folder;
  slot.folder = std::make_unique<Node>();
  slot.folder->oid = slot.oid;
  for (TreeEntry& entry : repository_.read_tree(slot.oid)) {
    slot.folder->entries.emplace(std::move(entry.name), Slot{entry.mode, entry.oid, nullptr});
  }
  return *slot.folder;
}

std::optional<TreeEntry> TreeEditor::find(std::string_view path) {
  Node* node = root_.get();
  while (true) {
    const auto [name, rest] = split_first(path);
    const auto found = node->entries.find(name);
    if (found == node->entries.end()) return std::nullopt;
    if (rest.empty()) return TreeEntry{std::string(name), found->second.mode, found->second.oid};
    if (found->second.mode != Mode::folder) return std::nullopt;
    node = &load(found->second);
    path = rest;
  }
}

void TreeEditor::put(std::string_view path, Mode mode, const Oid& oid) {
  const std::string_view whole = path;
  Node* node = root_.get();
  std::vector<Node*> passed{node};
  while (true) {
    const auto [name, rest] = split_first(path);
    const bool fresh = !node->entries.contains(name);
    Slot& slot = node->entries[std::string(name)];
    if (rest.empty()) {
      if (!fresh && slot.mode == Mode::folder) {
        throw Error(Code::invalid_argument, std::string(whole) + " is a folder; delete it first to put a file there");
      }
      if (!fresh && slot.mode == mode && slot.oid == oid) return;
      slot.mode = mode;
      slot.oid = oid;
      break;
    }
    if (fresh) {
      slot.mode = Mode::folder;
      slot.folder = std::make_unique<Node>();
    } else if (slot.mode != Mode::folder) {
      throw Error(Code::invalid_argument, "cannot put " + std::string(whole) + ": " +
                                              std::string(whole.substr(0, whole.size() - rest.size() - 1)) + " is a file, not a folder");
    }
    node = &load(slot);
    passed.push_back(node);
    path = rest;
  }
  for (Node* changed : passed) changed->dirty = true;
}

bool TreeEditor::remove(std::string_view path) { return remove_in(*this, *root_, path); }

bool TreeEditor::remove_in(TreeEditor& editor, Node& node, std::string_view path) {
  const auto [name, rest] = split_first(path);
  const auto found = node.entries.find(name);
  if (found == node.entries.end()) return false;
  if (!rest.empty()) {
    if (found->second.mode != Mode::folder) return false;
    Node& child = editor.load(found->second);
    if (!remove_in(editor, child, rest)) return false;
    if (child.entries.empty()) node.entries.erase(found);
  } else {
    node.entries.erase(found);
  }
  node.dirty = true;
  return true;
}

Oid TreeEditor::write(std::map<Oid, Repository::NewObject>& objects) { return write_node(*root_, objects); }

Oid TreeEditor::write_node(Node& node, std::map<Oid, Repository::NewObject>& objects) {
  if (!node.dirty) return node.oid;
  std::vector<TreeEntry> entries;
  for (auto& [name, slot] : node.entries) {
    if (slot.folder) slot.oid = write_node(*slot.folder, objects);
    entries.push_back({name, slot.mode, slot.oid});
  }
  std::string content = format_tree(std::move(entries));
  node.oid = object_id(Kind::tree, content);
  objects.try_emplace(node.oid, Repository::NewObject{Kind::tree, std::move(content)});
  node.dirty = false;
  return node.oid;
}

}  // namespace lyceum::git
