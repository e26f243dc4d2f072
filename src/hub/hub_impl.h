// hub_impl.h: the hub over SQLite, a blob folder and bare git repositories. One class, one file per topic.
//
// How a change becomes durable, and what a crash at each point leaves (kill -9 and power loss alike):
//
//   1. blobs      fsynced, renamed into blobs/      crash after: a blob nobody names; a later upload finds it
//   2. objects    written by libgit2, fsynced       crash after: unreachable git objects; harmless
//   3. SQLite     ref target, head, card, tags and  the acknowledgement: before it nothing happened, after it everything did
//                 refs_pending=1 in one transaction
//   4. ref file   refs/heads/… moved                crash before: open() writes the ref again, because refs_pending is set
//   5. later      refs_pending=0 rides along with the next transaction
//
// The hub itself reads refs from the database only, so nobody sees step 4 late. A git push is the one change that starts on disk:
// push_pending=1 is committed before receive-pack runs, and until Push::finish() has recorded the refs, open() takes them from the
// disk (if they pass the same checks) instead of putting them back.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <unordered_map>

#include "base/files.h"
#include "git/attributes.h"
#include "git/repository.h"
#include "hub/blobs/disk_blob_store.h"
#include "hub/hub.h"
#include "hub/repo_pool.h"
#include "hub/store/store.h"

namespace lyceum::hub {

class HubImpl final : public Hub {
 public:
  HubImpl(const HubOptions& options, const Clock& clock);
  ~HubImpl() override;

  // accounts.cpp
  std::optional<std::string> bootstrap_administrator(const std::string& name) override;
  User create_user(const std::string& name, const std::string& full_name, const std::string& email, const std::string& password, bool administrator) override;
  std::optional<User> find_user(std::string_view name) override;
  std::optional<User> try_password(std::string_view name, std::string_view password) override;
  void set_password(const User& user, const std::string& password) override;
  void create_organisation(const Caller& caller, const std::string& name, const std::string& full_name) override;
  void set_member(const Caller& caller, const std::string& organisation, const std::string& user, const std::string& role) override;
  std::vector<Membership> memberships(const User& user) override;
  bool is_organisation(std::string_view name) override;
  // tokens.cpp
  std::string create_token(const User& user, const std::string& name, Scope scope) override;
  std::vector<TokenInfo> tokens(const User& user) override;
  void revoke_token(const User& user, int64_t id) override;
  std::optional<Caller> authenticate(std::string_view token) override;
  std::string create_session(const User& user) override;
  std::optional<Caller> authenticate_session(std::string_view cookie) override;
  void end_session(std::string_view cookie) override;
  // access.cpp
  void require_write(const Caller& caller, const RepoId& id) override;
  void require_content(const Caller& caller, const Repo& repo) override;
  Repo get_repo(const Caller& caller, const RepoId& id) override;
  // repos.cpp
  Repo create_repo(const Caller& caller, const RepoId& id, bool is_private, const std::string& sdk) override;
  void delete_repo(const Caller& caller, const RepoId& id) override;
  void move_repo(const Caller& caller, const RepoId& from, const RepoId& to) override;
  void update_repo(const Caller& caller, const RepoId& id, std::optional<bool> is_private, std::optional<std::string> gated) override;
  void count_download(const Repo& repo) override;
  std::filesystem::path git_folder(const Repo& repo) override;
  // search.cpp
  std::vector<Repo> list_repos(const Caller& caller, const RepoQuery& query) override;
  size_t count_repos(const Caller& caller, const RepoQuery& query) override;
  // content.cpp
  std::string resolve_revision(const Repo& repo, std::string_view revision) override;
  std::optional<FileEntry> find_entry(const Repo& repo, std::string_view commit, std::string_view path) override;
  std::vector<FileEntry> tree(const Repo& repo, std::string_view commit, std::string_view folder, bool recursive, bool with_last_commit) override;
  std::string read_small(const Repo& repo, const FileEntry& entry) override;
  Refs refs(const Repo& repo) override;
  std::vector<CommitInfo> commits(const Repo& repo, std::string_view revision, size_t limit, size_t offset, size_t* total) override;
  bool wants_large(const Repo& repo, std::string_view revision, std::string_view path, uint64_t size, Bytes sample) override;
  // commits.cpp
  CommitInfo commit(const Caller& caller, const RepoId& id, const CommitRequest& request) override;
  // branches.cpp
  void create_branch(const Caller& caller, const RepoId& id, const std::string& branch, const std::string& start) override;
  void delete_branch(const Caller& caller, const RepoId& id, const std::string& branch) override;
  void create_tag(const Caller& caller, const RepoId& id, const std::string& tag, const std::string& revision, const std::string& message) override;
  void delete_tag(const Caller& caller, const RepoId& id, const std::string& tag) override;
  // push.cpp
  void after_push(const Caller& caller, const RepoId& id) override;
  std::unique_ptr<Push> begin_push(const Caller& caller, const RepoId& id) override;
  // blobs.cpp
  bool has_blob(std::string_view sha256) override;
  uint64_t blob_size(std::string_view sha256) override;
  std::filesystem::path blob_path(std::string_view sha256) override;
  std::unique_ptr<BlobWriter> write_blob() override;
  void link_blob(const Repo& repo, std::string_view sha256) override;
  bool repo_has_blob(const Repo& repo, std::string_view sha256) override;
  // xet_index.cpp
  std::optional<XetFile> find_xet_file(std::string_view file_hash) override;
  std::optional<XetFile> find_xet_file_by_sha256(std::string_view sha256) override;
  std::optional<std::vector<XorbChunk>> find_xorb(std::string_view xorb_hash) override;
  std::optional<ChunkPlace> find_chunk(std::string_view chunk_hash) override;
  void index_xet(const XetFile& file, const std::vector<std::pair<std::string, ChunkPlace>>& chunks,
                 const std::map<std::string, std::vector<XorbChunk>>& xorbs) override;
  // fsck.cpp
  FsckReport fsck(const std::function<void(uint64_t done, uint64_t total)>& progress) override;
  // hub_impl.cpp
  std::string signing_key() override { return signing_key_; }
  const std::filesystem::path& data_folder() const override { return options_.data_folder; }
  json::value setting(std::string_view key) override;
  void set_setting(std::string_view key, const json::value& value) override;

 private:
  friend class PushImpl;
  friend class CommitBuilder;
  struct RefChange {
    std::string name;
    std::optional<git::Oid> target;  // nullopt removes
  };
  struct PointerSeen {
    std::string sha256;
    uint64_t size = 0;
  };

  // hub_impl.cpp
  static UniqueFd lock_folder(const fs::path& data);
  void open_store();
  void transact(const std::function<void(Database&)>& change);
  // access.cpp
  std::optional<Repo> find_repo(Database& database, const RepoId& id);
  std::string role_in(Database& database, const User& user, const std::string& owner);  // "", "read", "write", "admin"
  bool may_read(Database& database, const Caller& caller, const Repo& repo);
  bool may_write(Database& database, const Caller& caller, const std::string& owner);
  void require_owner_write(Database& database, const Caller& caller, const std::string& owner, std::string_view action);
  Repo get_for_write(const Caller& caller, const RepoId& id);
  // repos.cpp
  fs::path folder_of(const std::string& public_id) const;
  RepoPool::Lease open_git(const Repo& repo) { return pool_.open(folder_of(repo.public_id)); }
  // branches.cpp
  std::optional<git::Oid> find_ref(Database& database, const Repo& repo, std::string_view name);
  // Steps 3 and 4 of the drawing above. `extra` joins the transaction. The caller holds the repository's lock.
  void move_refs(const Repo& repo, git::Repository& git, const std::vector<RefChange>& changes, const std::function<void(Database&)>& extra = {});
  void sync_refs(const Repo& repo, git::Repository& git);  // disk := database
  void index_main(Database& database, const Repo& repo, const git::Repository& git, const git::Oid& commit);
  // push.cpp
  void adopt_refs(const Repo& repo, git::Repository& git, const Caller* caller);  // database := disk, after checks
  std::vector<RefChange> changed_refs(Database& database, const Repo& repo, const git::Repository& git);
  void check_pushed(Database& database, const Repo& repo, const git::Repository& git, const Caller* caller,
                    const std::vector<RefChange>& changes, std::vector<std::string>& to_link);
  void recover();
  // content.cpp
  FileEntry describe(Database& database, const Repo& repo, const git::Repository& git, const git::TreeEntry& entry, std::string path);
  std::optional<PointerSeen> find_pointer(Database& database, const Repo& repo, const git::Repository& git, const git::Oid& oid, uint64_t size);
  CommitInfo commit_info(const git::Repository& git, const git::Oid& oid);
  bool decide_large(git::FilterRule rule, uint64_t size, std::string_view sample) const;
  // blobs.cpp
  std::optional<int64_t> find_blob_id(Database& database, std::string_view sha256);
  int64_t ensure_blob_id(Database& database, std::string_view sha256);
  bool is_linked(Database& database, const Repo& repo, std::string_view sha256);
  bool may_use_blob(Database& database, const Caller* caller, const Repo& repo, std::string_view sha256);  // linked, or readable elsewhere
  void link_in(Database& database, const Repo& repo, std::string_view sha256);
  // fsck.cpp
  void fsck_repo(const Repo& repo, FsckReport& report, std::set<std::string>& named_blobs);
  void fsck_blobs(FsckReport& report, const std::set<std::string>& named_blobs, const std::function<void()>& step);
  void fsck_orphans(FsckReport& report, const std::set<std::string>& folders);
  // tokens.cpp, repos.cpp: counters that may lose a few minutes in a crash
  void flush_counters();

  const HubOptions options_;
  const Clock& clock_;
  UniqueFd lock_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<DiskBlobStore> blobs_;
  RepoPool pool_;
  RepoLocks locks_;
  std::string signing_key_;

  std::mutex refs_mutex_;
  std::set<int64_t> refs_done_;      // ref files written; refs_pending may be cleared
  std::set<int64_t> refs_unsynced_;  // writing the ref file failed; try again before git reads
  std::set<int64_t> cleaned_;        // leftovers of earlier processes removed

  std::mutex counters_mutex_;
  std::map<int64_t, int64_t> downloads_, token_uses_;
  int64_t counters_flushed_ms_ = 0;

  std::mutex pointers_mutex_;
  std::unordered_map<std::string, PointerSeen> pointers_;  // (repository, git object) -> large file; only those it may use
};

// repos.cpp and others: the columns that read_repo() expects, in order.
inline constexpr std::string_view kRepoColumns =
    "r.id, r.public_id, r.type, r.owner, r.name, r.is_private, r.disabled, r.gated, r.sdk, r.head, r.created_ms, r.modified_ms, "
    "r.downloads, r.likes, r.card, r.tags, r.pipeline_tag, r.library_name";
Repo read_repo(const Rows& rows);
Error repo_not_found();
std::string digest_bytes(std::string_view hex);  // 32 raw bytes; Error(invalid_argument) unless 64 hex digits
std::string full_ref_name(std::string_view branch);  // "main" -> "refs/heads/main"; refs/… checked

}  // namespace lyceum::hub
