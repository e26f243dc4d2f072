#include "git/repository.h"

#include <zlib.h>

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "git/libgit2.h"

namespace lyceum::git {
namespace {

// Durable pushes (core.fsync), no background repacking, refusal of malformed objects, partial clones.
constexpr std::string_view kConfig = R"([core]
	repositoryformatversion = 0
	filemode = true
	bare = true
	fsync = all
	fsyncMethod = fsync
	logAllRefUpdates = false
[gc]
	auto = 0
[receive]
	fsckObjects = true
	autogc = false
	denyDeleteCurrent = refuse
	advertisePushOptions = false
[uploadpack]
	allowFilter = true
	allowAnySHA1InWant = true
[maintenance]
	auto = false
)";

constexpr size_t kLooseMax = 12;  // a loose object costs two fsyncs, a pack four in all: packs win early but slow reads when there are many

Kind from_git_type(git_object_t type) {
  switch (type) {
    case GIT_OBJECT_COMMIT: return Kind::commit;
    case GIT_OBJECT_TREE: return Kind::tree;
    case GIT_OBJECT_TAG: return Kind::tag;
    default: return Kind::blob;
  }
}

using ObjectHandle = Handle<git_odb_object, git_odb_object_free>;

ObjectHandle open_object(git_odb* odb, const Oid& oid, Kind kind) {
  const git_oid id = to_git(oid);
  git_odb_object* raw = nullptr;
  require(git_odb_read(&raw, odb, &id), "read object " + oid.hex());
  ObjectHandle object(raw);
  if (from_git_type(git_odb_object_type(raw)) != kind) {
    throw Error(Code::internal, "object " + oid.hex() + " is not a " + std::string(name(kind)));
  }
  return object;
}

std::string_view bytes_of(const ObjectHandle& object) {
  return {static_cast<const char*>(git_odb_object_data(object.get())), git_odb_object_size(object.get())};
}

void append_pack_header(std::string& pack, Kind kind, size_t size) {
  unsigned char byte = static_cast<unsigned char>((static_cast<unsigned>(kind) << 4) | (size & 15));
  size >>= 4;
  while (size != 0) {
    pack.push_back(static_cast<char>(byte | 0x80));
    byte = static_cast<unsigned char>(size & 0x7f);
    size >>= 7;
  }
  pack.push_back(static_cast<char>(byte));
}

void append_deflated(std::string& pack, std::string_view content) {
  uLongf size = compressBound(static_cast<uLong>(content.size()));
  const size_t start = pack.size();
  pack.resize(start + size);
  const int result = compress2(reinterpret_cast<Bytef*>(pack.data() + start), &size,
                               reinterpret_cast<const Bytef*>(content.data()), static_cast<uLong>(content.size()), Z_DEFAULT_COMPRESSION);
  LYCEUM_CHECK(result == Z_OK, "compressBound is enough for compress2");
  pack.resize(start + size);
}

std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8), static_cast<char>(value)};
}

// Streams a pack (no deltas) into libgit2's indexer, which checks it, writes pack and index, and fsyncs both.
void write_pack(git_odb* odb, const std::vector<const Repository::NewObject*>& objects) {
  git_odb_writepack* raw = nullptr;
  require(git_odb_write_pack(&raw, odb, nullptr, nullptr), "start a pack");
  const std::unique_ptr<git_odb_writepack, void (*)(git_odb_writepack*)> pack(raw, [](git_odb_writepack* p) { p->free(p); });
  git_indexer_progress progress{};
  Hasher hasher(Hasher::Kind::sha1);
  const auto append = [&](const std::string& bytes) {
    hasher.update(bytes);
    require(pack->append(pack.get(), bytes.data(), bytes.size(), &progress), "write a pack");
  };
  append("PACK" + big_endian(2) + big_endian(static_cast<uint32_t>(objects.size())));
  for (const Repository::NewObject* object : objects) {
    std::string bytes;
    append_pack_header(bytes, object->kind, object->content.size());
    append_deflated(bytes, object->content);
    append(bytes);
  }
  const std::string digest = hasher.finish();
  require(pack->append(pack.get(), digest.data(), digest.size(), &progress), "write a pack");
  require(pack->commit(pack.get(), &progress), "finish a pack");
}

void remove_matching(const fs::path& folder, const auto& matches) {
  std::error_code error;
  std::vector<fs::path> found;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (matches(it->path().filename().string())) found.push_back(it->path());
  }
  for (const fs::path& path : found) fs::remove_all(path, error);
}

}  // namespace

void Repository::create(const fs::path& folder) {
  if (fs::exists(folder)) throw Error(Code::conflict, folder.string() + " exists already");
  make_folders_durable(folder);
  for (const char* name : {"objects/info", "objects/pack", "refs/heads", "refs/tags"}) make_folders_durable(folder / name);
  write_file_durable(folder / "config", kConfig);
  write_file_durable(folder / "HEAD", "ref: refs/heads/main\n");
}

Repository::Repository(const fs::path& folder) : folder_(folder), state_(std::make_unique<State>()) {
  start_libgit2();
  git_repository* repository = nullptr;
  require(git_repository_open_bare(&repository, folder.c_str()), "open the git repository " + folder.filename().string());
  state_->repository.reset(repository);
  git_odb* odb = nullptr;
  require(git_repository_odb(&odb, repository), "open the object database");
  state_->odb.reset(odb);
}

Repository::~Repository() = default;

std::optional<ObjectInfo> Repository::find_object(const Oid& oid) const {
  const git_oid id = to_git(oid);
  size_t size = 0;
  git_object_t type = GIT_OBJECT_INVALID;
  const int result = git_odb_read_header(&size, &type, state_->odb.get(), &id);
  if (result == GIT_ENOTFOUND) return std::nullopt;
  require(result, "read object " + oid.hex());
  return ObjectInfo{from_git_type(type), size};
}

std::string Repository::read_object(const Oid& oid, Kind kind) const {
  const ObjectHandle object = open_object(state_->odb.get(), oid, kind);
  return std::string(bytes_of(object));
}

std::optional<TreeEntry> Repository::find_path(const Oid& tree, std::string_view path) const {
  TreeEntry current{"", Mode::folder, tree};
  while (!path.empty()) {
    if (!current.is_folder()) return std::nullopt;
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    const ObjectHandle object = open_object(state_->odb.get(), current.oid, Kind::tree);
    auto found = find_in_tree(bytes_of(object), part);
    if (!found) return std::nullopt;
    current = std::move(*found);
  }
  return current;
}

std::optional<Oid> Repository::find_by_prefix(std::string_view hex) const {
  if (hex.size() < 4 || hex.size() > 40 || !is_hex(hex, hex.size())) return std::nullopt;
  git_oid prefix;
  if (git_oid_fromstrn(&prefix, hex.data(), hex.size()) < 0) return std::nullopt;
  git_oid full;
  const int result = git_odb_exists_prefix(&full, state_->odb.get(), &prefix, hex.size());
  if (result == GIT_ENOTFOUND || result == GIT_EAMBIGUOUS) return std::nullopt;
  require(result, "look up " + std::string(hex));
  return from_git(full);
}

std::optional<Oid> Repository::find_commit(const Oid& oid) const {
  Oid current = oid;
  for (int depth = 0; depth < 8; ++depth) {
    const auto info = find_object(current);
    if (!info) return std::nullopt;
    if (info->kind == Kind::commit) return current;
    if (info->kind != Kind::tag) return std::nullopt;
    const std::string text = read_object(current, Kind::tag);
    const auto target = text.starts_with("object ") ? find_oid(std::string_view(text).substr(7, 40)) : std::nullopt;
    if (!target) return std::nullopt;
    current = *target;
  }
  return std::nullopt;
}

bool Repository::is_ancestor(const Oid& ancestor, const Oid& of) const {
  if (ancestor == of) return true;
  const git_oid a = to_git(ancestor);
  const git_oid b = to_git(of);
  const int result = git_graph_descendant_of(state_->repository.get(), &b, &a);
  require(result, "walk the history");
  return result == 1;
}

std::map<std::string, Oid> Repository::list_refs() const {
  std::map<std::string, Oid> out;
  git_reference_iterator* raw = nullptr;
  require(git_reference_iterator_new(&raw, state_->repository.get()), "list refs");
  const Handle<git_reference_iterator, git_reference_iterator_free> iterator(raw);
  while (true) {
    git_reference* raw_ref = nullptr;
    const int result = git_reference_next(&raw_ref, raw);
    if (result == GIT_ITEROVER) return out;
    require(result, "list refs");
    const Handle<git_reference, git_reference_free> ref(raw_ref);
    if (git_reference_type(raw_ref) == GIT_REFERENCE_DIRECT) out.emplace(git_reference_name(raw_ref), from_git(*git_reference_target(raw_ref)));
  }
}

void Repository::set_ref(const std::string& name, const Oid& target) {
  const git_oid id = to_git(target);
  git_reference* raw = nullptr;
  require(git_reference_create(&raw, state_->repository.get(), name.c_str(), &id, 1, nullptr), "set " + name);
  git_reference_free(raw);
}

void Repository::remove_ref(const std::string& name) {
  const int result = git_reference_remove(state_->repository.get(), name.c_str());
  if (result != GIT_ENOTFOUND) require(result, "remove " + name);
}

bool Repository::is_valid_ref_name(const std::string& name) {
  start_libgit2();
  int valid = 0;
  return git_reference_name_is_valid(&valid, name.c_str()) == 0 && valid == 1;
}

void Repository::write_objects(const std::map<Oid, NewObject>& objects) {
  std::vector<const NewObject*> missing;
  for (const auto& [oid, object] : objects) {
    const git_oid id = to_git(oid);
    if (git_odb_exists(state_->odb.get(), &id) != 1) missing.push_back(&object);
  }
  if (missing.size() > kLooseMax) return write_pack(state_->odb.get(), missing);
  for (const NewObject* object : missing) {
    git_oid written;
    require(git_odb_write(&written, state_->odb.get(), object->content.data(), object->content.size(),
                          static_cast<git_object_t>(object->kind)),
            "write an object");
  }
  fsync_folder(folder_ / "objects");  // libgit2 fsyncs the fan-out folder, not the entry of a new one in its parent
}

void Repository::remove_leftovers(const fs::path& folder) {
  const auto is_lock = [](const std::string& name) { return name.ends_with(".lock"); };
  remove_matching(folder, is_lock);
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder / "refs", error), end; !error && it != end; it.increment(error)) {
    if (it->is_regular_file(error) && is_lock(it->path().filename().string())) fs::remove(it->path(), error);
  }
  remove_matching(folder / "objects", [](const std::string& name) {
    return name.starts_with("tmp_") || name.starts_with("incoming-");
  });
  remove_matching(folder / "objects/pack", [](const std::string& name) {
    return name.starts_with("tmp_") || name.starts_with("pack_git2_") || name.ends_with(".lock") ||
           name.starts_with(".tmp-") || name.ends_with(".keep");
  });
}

}  // namespace lyceum::git
