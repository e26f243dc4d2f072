// hub.h: the hub without HTTP: accounts, access, repositories, commits, large files. One object, any thread.
//
// Durability: a function that changes something returns only after blobs, git objects and the database row are on disk
// (design, section 3). Reads never see a part of a commit. Errors are lyceum::Error with the tags that clients of the Hugging
// Face protocol look for: RepoNotFound, RevisionNotFound, EntryNotFound, GatedRepo.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"
#include "hub/blobs/s3_options.h"
#include "hub/garbage.h"
#include "hub/identity.h"
#include "hub/store/store_options.h"

namespace lyceum::hub {

enum class RepoType { model, dataset, space };
std::string_view plural(RepoType type);                         // "models"
std::optional<RepoType> find_repo_type(std::string_view text);  // "model" or "models", …

struct RepoId {
  RepoType type = RepoType::model;
  std::string owner, name;
  std::string full_name() const { return owner + "/" + name; }
  auto operator<=>(const RepoId&) const = default;
};

struct Repo {
  int64_t id = 0, owner_id = 0;
  RepoId repo_id;
  std::string public_id;            // 24 hex, the "_id" of the protocol
  bool is_private = false;
  bool disabled = false;
  std::string gated;                // "", "auto", "manual"
  std::string sdk;                  // Spaces
  std::string head;                 // commit of refs/heads/main; empty only for a catalogue entry, which has no files here
  int64_t created_ms = 0, modified_ms = 0;
  int64_t downloads = 0, likes = 0; // downloads of the last 30 days
  json::object card;                // the README's YAML front matter
  std::vector<std::string> tags;
  std::string pipeline_tag, library_name;
};

struct FileEntry {
  std::string path;
  bool is_folder = false;
  std::string oid;                  // git blob or tree id
  uint64_t size = 0;                // real size, also for large files
  std::string sha256;               // large files only
  std::string xet_hash;             // large files known to the Xet index only
  struct LastCommit { std::string id, title; int64_t date_ms = 0; };
  std::optional<LastCommit> last_commit;
};

struct CommitInfo {
  std::string id, title, message;
  int64_t date_ms = 0;
  std::string author_name, author_email;
  std::vector<std::string> parents;
};

struct Refs {
  struct Ref { std::string name, ref, target; };
  std::vector<Ref> branches, tags, pull_requests, converts;
};

struct AddFile { std::string path; std::string content; };                    // small file, in git
class SpooledContent {              // content that waits on disk until its turn
 public:
  virtual ~SpooledContent() = default;
  virtual uint64_t size() const = 0;
  virtual std::string read() const = 0;
};
struct AddSpooledFile { std::string path; std::shared_ptr<const SpooledContent> content; };
struct AddLargeFile { std::string path, sha256; uint64_t size = 0; };         // must be stored already
struct DeleteEntry { std::string path; bool folder = false; };
struct CopyFile { std::string from_path, from_revision, to_path; };
using CommitAction = std::variant<AddFile, AddSpooledFile, AddLargeFile, DeleteEntry, CopyFile>;

struct BranchOptions {
  bool empty = false;               // starts with one commit that holds no files
  bool overwrite = false;           // an existing branch is moved instead of refused
};

struct CommitRequest {
  std::string branch = "main";      // "main", "refs/pr/3", …
  std::string summary, description;
  std::string parent;               // if set and not the head: Error(precondition_failed)
  std::vector<CommitAction> actions;
};

// A short way to Catalogue::list() for callers that want few and simple lists.
struct RepoQuery {
  RepoType type = RepoType::model;
  std::vector<std::string> search, filter;   // ANDed; filter = tags
  std::string author, pipeline_tag, sort = "modified_ms";  // or created_ms, downloads, likes, id
  size_t limit = 100, offset = 0;
};

class Catalogue;   // catalogue.h: lists, search, facts of files, imported entries
class Downloads;   // downloads.h

struct HubOptions {
  std::filesystem::path data_folder;
  uint64_t inline_limit_bytes = 10u << 20;   // larger files must be LFS
  StoreOptions store = {};                   // an empty target is data_folder/lyceum.db
  uint64_t repo_quota_bytes = 0, namespace_quota_bytes = 0;   // 0: none (quotas.h)
  S3Options s3 = {};                         // no endpoint: large files are in blobs/
  // For several hubs over one PostgreSQL: the folder that they share, with the git repositories, the keys, xorbs in flight and, without S3,
  // the large files. Empty: data_folder, and one hub.
  std::filesystem::path shared_folder = {};
};

// A blob being received. Bytes go to staging/ and are hashed on the way.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  virtual void write(Bytes bytes) = 0;
  // The same without a copy where the store can: put bytes into room() (never empty), then say how many.
  virtual std::span<std::byte> room() = 0;
  virtual void filled(size_t count) = 0;
  // fsync, compare with the expected digest (Error(unprocessable) on mismatch, nothing kept), move into blobs/. Returns sha256.
  virtual std::string finish(std::optional<std::string> expected_sha256) = 0;
};

// A git push in progress: holds the repository's write lock, and a durable mark that lets the next start adopt what receive-pack
// moved if the process dies before finish(). Destroying it without finish() records nothing but still takes in what is on disk.
class Push {
 public:
  virtual ~Push() = default;
  // Once, after receive-pack ended (whatever its exit status): checks and records the moved refs. On Error (unprocessable: a pointer
  // without its blob, a forbidden ref) the refs on disk are put back, so send the client the refusal, not receive-pack's report
  // (git/pkt_line.h, refused_push_report). Releases the lock. Call before the last byte of receive-pack's answer is sent.
  virtual void finish() = 0;
};

// Topics with a header of their own, over the same store.
class AccessRequests;
class Audit;
class Collections;
class DeviceLogins;
class Discussions;   // discussions.h: discussions and pull requests
class Follows;
class History;       // history.h: differences, squashing, large files of a history
class LfsLocks;      // lfs_locks.h
class Likes;
class OauthApps;     // oauth_apps.h: other sites that sign people in with this hub
class Organisations;
class Quotas;        // quotas.h
class Sessions;
class Tokens;
class Webhooks;      // webhooks.h: who is told of what, and the queue of deliveries

class Hub {
 public:
  // Opens or creates the store and repairs what a crash left in staging. One process writes at a time (lock file).
  static std::unique_ptr<Hub> open(const HubOptions& options, const Clock& clock);
  virtual ~Hub() = default;

  // Grows with every change of the store, before the change is acknowledged: what was read at one version is as good as read again at the
  // same version. nullopt: other processes change the store too (PostgreSQL), so nothing can be said.
  virtual std::optional<uint64_t> version() const = 0;

  // --- accounts -------------------------------------------------------------------------------------------------------
  // First start: creates the administrator and returns its write token, once. nullopt when one exists.
  virtual std::optional<std::string> bootstrap_administrator(const std::string& name) = 0;
  virtual User create_user(const std::string& name, const std::string& full_name, const std::string& email, const std::string& password, bool administrator, const Caller& actor = {}) = 0;
  virtual std::optional<User> find_user(std::string_view name) = 0;
  virtual std::optional<User> try_password(std::string_view name, std::string_view password) = 0;  // Argon2id
  virtual void set_password(const User& user, const std::string& password, const Caller& actor = {}) = 0;  // ends the user's sessions
  virtual void create_organisation(const Caller& caller, const std::string& name, const std::string& full_name) = 0;
  virtual void set_member(const Caller& caller, const std::string& organisation, const std::string& user, const std::string& role) = 0;  // "" removes; see Role
  virtual std::vector<Membership> memberships(const User& user) = 0;
  virtual bool is_organisation(std::string_view name) = 0;
  virtual std::string create_token(const User& user, const std::string& name, Scope scope) = 0;  // the only time it is visible
  // nullopt: no such token, or expired (callers answer 401 "Invalid credentials in Authorization header").
  virtual std::optional<Caller> authenticate(std::string_view token) = 0;

  // --- topics with a header of their own --------------------------------------------------------------------------------
  virtual AccessRequests& access_requests() = 0;
  virtual Audit& audit() = 0;
  virtual Collections& collections() = 0;
  virtual DeviceLogins& device_logins() = 0;
  virtual Follows& follows() = 0;
  virtual Likes& likes() = 0;
  virtual OauthApps& oauth_apps() = 0;
  virtual Organisations& organisations() = 0;
  virtual Sessions& sessions() = 0;
  virtual Tokens& tokens() = 0;

  // --- repositories: all throw RepoNotFound when the caller may not see it ------------------------------------------------
  virtual Repo create_repo(const Caller& caller, const RepoId& id, bool is_private, const std::string& sdk) = 0;  // Error(conflict) if it exists
  virtual void delete_repo(const Caller& caller, const RepoId& id) = 0;
  virtual void move_repo(const Caller& caller, const RepoId& from, const RepoId& to) = 0;
  // A new repository with the refs, history and large files of another that the caller may read. Pull requests stay behind.
  virtual Repo duplicate_repo(const Caller& caller, const RepoId& from, const RepoId& to, bool is_private) = 0;
  virtual void update_repo(const Caller& caller, const RepoId& id, std::optional<bool> is_private, std::optional<std::string> gated) = 0;
  virtual Repo get_repo(const Caller& caller, const RepoId& id) = 0;
  virtual void require_write(const Caller& caller, const RepoId& id) = 0;
  // The right to commit to one ref ("main", "refs/pr/3"): that of require_write(), or to have opened that pull request.
  virtual void require_commit(const Caller& caller, const RepoId& id, std::string_view branch) = 0;
  // Content of a gated repository: the owner's members, the administrator, and whoever was let in (access_requests.h). Error(forbidden or unauthorized, "GatedRepo").
  virtual void require_content(const Caller& caller, const Repo& repo) = 0;
  virtual std::vector<Repo> list_repos(const Caller& caller, const RepoQuery& query) = 0;
  virtual size_t count_repos(const Caller& caller, const RepoQuery& query) = 0;
  virtual Catalogue& catalogue() = 0;
  virtual Downloads& downloads() = 0;
  virtual std::filesystem::path git_folder(const Repo& repo) = 0;

  // --- content: revision = branch, tag, full or short commit id, "refs/pr/N", "HEAD" -------------------------------------
  virtual std::string resolve_revision(const Repo& repo, std::string_view revision) = 0;       // RevisionNotFound
  virtual std::optional<FileEntry> find_entry(const Repo& repo, std::string_view commit, std::string_view path) = 0;
  virtual std::vector<FileEntry> tree(const Repo& repo, std::string_view commit, std::string_view folder, bool recursive, bool with_last_commit) = 0;  // EntryNotFound
  virtual std::string read_small(const Repo& repo, const FileEntry& entry) = 0;                // content of a file kept in git (pointer text for a large one)
  virtual Refs refs(const Repo& repo) = 0;
  virtual std::vector<CommitInfo> commits(const Repo& repo, std::string_view revision, size_t limit, size_t offset, size_t* total) = 0;
  // One commit, atomically. Returns the head (unchanged if the actions change nothing). Writes LFS pointers and .gitattributes lines for large files.
  // A request that was carried out already (same caller, parent, message and resulting tree) returns the commit it made: clients retry.
  virtual CommitInfo commit(const Caller& caller, const RepoId& id, const CommitRequest& request) = 0;
  virtual void create_branch(const Caller& caller, const RepoId& id, const std::string& branch, const std::string& start, const BranchOptions& options = {}) = 0;
  virtual void delete_branch(const Caller& caller, const RepoId& id, const std::string& branch) = 0;
  virtual void create_tag(const Caller& caller, const RepoId& id, const std::string& tag, const std::string& revision, const std::string& message) = 0;
  virtual void delete_tag(const Caller& caller, const RepoId& id, const std::string& tag) = 0;
  // "regular" or "lfs" by .gitattributes of the revision, then size, then a binary sample.
  virtual bool wants_large(const Repo& repo, std::string_view revision, std::string_view path, uint64_t size, Bytes sample) = 0;
  // After a git push moved refs: checks that pointers reference stored blobs, updates head, card, tags. Called by the git route
  // through a pre-receive check and after receive-pack.
  // Callers that run receive-pack use begin_push() around it; after_push() alone is for refs moved while nothing else could.
  virtual void after_push(const Caller& caller, const RepoId& id) = 0;
  // Spool the client's pack first: while the Push lives, other writers to this repository wait (Error(unavailable) after a minute).
  virtual std::unique_ptr<Push> begin_push(const Caller& caller, const RepoId& id) = 0;

  // --- blobs ---------------------------------------------------------------------------------------------------------------
  virtual bool has_blob(std::string_view sha256) = 0;
  virtual uint64_t blob_size(std::string_view sha256) = 0;
  virtual std::filesystem::path blob_path(std::string_view sha256) = 0;  // with S3: of a local copy, fetched if need be
  // With S3 and redirects: a link that is good for an hour; "" otherwise.
  virtual std::string blob_url(std::string_view sha256, const std::string& disposition, const std::string& type) = 0;
  virtual std::unique_ptr<BlobWriter> write_blob() = 0;
  // An upload makes a blob usable by this repository (possession); reading a blob by digest needs a repository that has it.
  virtual void link_blob(const Repo& repo, std::string_view sha256) = 0;
  virtual bool repo_has_blob(const Repo& repo, std::string_view sha256) = 0;

  // --- Xet index (used by api/xet) --------------------------------------------------------------------------------------------
  struct ChunkPlace { std::string sha256; uint64_t offset = 0; uint32_t length = 0; };
  struct XetTerm { std::string xorb; uint32_t chunk_begin = 0, chunk_end = 0; uint64_t length = 0; };   // a file = terms in order; length = raw bytes
  struct XetFile { std::string file_hash, sha256; uint64_t size = 0; std::vector<XetTerm> terms; };
  struct XorbChunk { std::string hash; uint32_t length = 0; };                     // raw length
  virtual std::optional<XetFile> find_xet_file(std::string_view file_hash) = 0;
  virtual std::optional<XetFile> find_xet_file_by_sha256(std::string_view sha256) = 0;
  virtual std::optional<std::vector<XorbChunk>> find_xorb(std::string_view xorb_hash) = 0;
  virtual std::optional<ChunkPlace> find_chunk(std::string_view chunk_hash) = 0;
  // One transaction: the file (blob already stored), its terms, the chunk places in the blob, and any xorbs whose chunks are now all placed,
  // or that this file uses in part: find_xorb() answers their whole chunk list, find_chunk() nothing for a chunk without a place.
  // A file, xorb or chunk that is known already stays as it is.
  virtual void index_xet(const XetFile& file, const std::vector<std::pair<std::string, ChunkPlace>>& chunks,
                         const std::map<std::string, std::vector<XorbChunk>>& xorbs) = 0;

  // --- topics -------------------------------------------------------------------------------------------------------------------
  virtual Discussions& discussions() = 0;
  virtual History& history() = 0;
  virtual LfsLocks& lfs_locks() = 0;
  virtual Quotas& quotas() = 0;
  virtual Webhooks& webhooks() = 0;

  // --- care ---------------------------------------------------------------------------------------------------------------------
  struct FsckReport { uint64_t repos = 0, commits = 0, blobs = 0, blob_bytes = 0; std::vector<std::string> problems, notes; };
  virtual FsckReport fsck(const std::function<void(uint64_t done, uint64_t total)>& progress) = 0;
  // What nothing refers to any more, older than the grace time; garbage.h says how. Safe while commits and uploads run.
  virtual GarbageReport collect_garbage(const GarbageOptions& options) = 0;
  struct StockCounts { uint64_t repos = 0, blobs = 0, accounts = 0; };
  virtual StockCounts count_stock() = 0;                 // rows, not files
  virtual std::string signing_key() = 0;                 // for signed URLs and Xet tokens; kept in keys/
  virtual const std::filesystem::path& data_folder() const = 0;    // of this process
  virtual const std::filesystem::path& shared_folder() const = 0;  // of all hubs over the same store; one hub: data_folder()
  // A lock by name that one caller in all these hubs holds, until the result dies. Error(unavailable) after a minute.
  virtual std::shared_ptr<void> take_lock(const std::string& name) = 0;
  virtual json::value setting(std::string_view key) = 0;                       // small persistent key-value store (null if absent)
  virtual void set_setting(std::string_view key, const json::value& value) = 0;
};

}  // namespace lyceum::hub
