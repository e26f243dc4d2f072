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
// disk (if they pass the same checks) instead of putting them back. A push that cannot be recorded is settled before its client is answered
// (settle_push): it is put back, or found in the database.
//
// Several hubs over one PostgreSQL (options.shared_folder): the repository lock is an advisory lock of the server, and who takes it first
// finishes what a hub that died left (take_over); every hub looks for such repositories now and then, so nothing waits for a restart or for
// the next writer. refs_pending is then cleared at once, still under the lock,
// because a mark that is cleared later could hide another hub's.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/files.h"
#include "git/attributes.h"
#include "git/repository.h"
#include "hub/access.h"
#include "hub/access_requests.h"
#include "hub/audit.h"
#include "hub/blobs/blob_store.h"
#include "hub/catalogue.h"
#include "hub/collections.h"
#include "hub/device_logins.h"
#include "hub/discussions.h"
#include "hub/downloads.h"
#include "hub/file_cache.h"
#include "hub/follows.h"
#include "hub/history.h"
#include "hub/hub.h"
#include "hub/jobs.h"
#include "hub/last_commits.h"
#include "hub/lfs_locks.h"
#include "hub/likes.h"
#include "hub/oauth_apps.h"
#include "hub/organisations.h"
#include "hub/quotas.h"
#include "hub/repo_pool.h"
#include "hub/sessions.h"
#include "hub/store/store.h"
#include "hub/tokens.h"
#include "hub/webhooks.h"

namespace lyceum::hub {

inline constexpr std::string_view kMain = "refs/heads/main";

class HubImpl final : public Hub {
 public:
  HubImpl(const HubOptions& options, const Clock& clock);
  ~HubImpl() override;

  // accounts.cpp
  std::optional<std::string> bootstrap_administrator(const std::string& name) override;
  User create_user(const std::string& name, const std::string& full_name, const std::string& email, const std::string& password, bool administrator, const Caller& actor) override;
  std::optional<User> find_user(std::string_view name) override;
  std::optional<User> try_password(std::string_view name, std::string_view password) override;
  void set_password(const User& user, const std::string& password, const Caller& actor) override;
  void create_organisation(const Caller& caller, const std::string& name, const std::string& full_name) override;
  void set_member(const Caller& caller, const std::string& organisation, const std::string& user, const std::string& role) override;
  std::vector<Membership> memberships(const User& user) override;
  bool is_organisation(std::string_view name) override;
  // hub_impl.cpp
  std::string create_token(const User& user, const std::string& name, Scope scope) override;
  std::optional<uint64_t> version() const override { return store_->engine() == Engine::sqlite ? std::optional(store_->version()) : std::nullopt; }
  std::optional<Caller> authenticate(std::string_view token) override { return tokens_->authenticate(token); }
  AccessRequests& access_requests() override { return *access_requests_; }
  Audit& audit() override { return *audit_; }
  Collections& collections() override { return *collections_; }
  DeviceLogins& device_logins() override { return *device_logins_; }
  OauthApps& oauth_apps() override { return *oauth_apps_; }
  Follows& follows() override { return *follows_; }
  Likes& likes() override { return *likes_; }
  Organisations& organisations() override { return *organisations_; }
  Sessions& sessions() override { return *sessions_; }
  Tokens& tokens() override { return *tokens_; }
  // access.cpp
  void require_write(const Caller& caller, const RepoId& id) override;
  void require_commit(const Caller& caller, const RepoId& id, std::string_view branch) override;
  void require_content(const Caller& caller, const Repo& repo) override;
  Repo get_repo(const Caller& caller, const RepoId& id) override;
  // repos.cpp
  Repo create_repo(const Caller& caller, const RepoId& id, bool is_private, const std::string& sdk) override;
  void delete_repo(const Caller& caller, const RepoId& id) override;
  void move_repo(const Caller& caller, const RepoId& from, const RepoId& to) override;
  void update_repo(const Caller& caller, const RepoId& id, std::optional<bool> is_private, std::optional<std::string> gated) override;
  Repo duplicate_repo(const Caller& caller, const RepoId& from, const RepoId& to, bool is_private) override;  // duplicate.cpp
  std::filesystem::path git_folder(const Repo& repo) override;
  // search.cpp
  std::vector<Repo> list_repos(const Caller& caller, const RepoQuery& query) override;
  size_t count_repos(const Caller& caller, const RepoQuery& query) override;
  Catalogue& catalogue() override { return *catalogue_; }
  Downloads& downloads() override { return *downloads_; }
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
  void create_branch(const Caller& caller, const RepoId& id, const std::string& branch, const std::string& start, const BranchOptions& options) override;
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
  std::string blob_url(std::string_view sha256, const std::string& disposition, const std::string& type) override;
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
  // topics
  Discussions& discussions() override { return *discussions_; }
  History& history() override { return *history_; }
  LfsLocks& lfs_locks() override { return *lfs_locks_; }
  Quotas& quotas() override { return *quotas_; }
  Webhooks& webhooks() override { return *webhooks_; }
  Jobs& jobs() { return *jobs_; }
  // fsck.cpp
  FsckReport fsck(const std::function<void(uint64_t done, uint64_t total)>& progress) override;
  // garbage.cpp
  GarbageReport collect_garbage(const GarbageOptions& options) override;
  StockCounts count_stock() override;
  // hub_impl.cpp
  std::string signing_key() override { return signing_key_; }
  const std::filesystem::path& data_folder() const override { return options_.data_folder; }
  const std::filesystem::path& shared_folder() const override { return options_.shared_folder; }
  std::shared_ptr<void> take_lock(const std::string& name) override;
  json::value setting(std::string_view key) override;
  void set_setting(std::string_view key, const json::value& value) override;

 private:
  friend class PushImpl;
  friend class CommitBuilder;
  friend class Discussions;
  friend class History;
  friend class Jobs;
  friend class LfsLocks;
  friend class Quotas;
  friend class Webhooks;
  friend class GarbageCollector;
  struct RefChange {
    std::string name;
    std::optional<git::Oid> target;  // nullopt removes
    bool rewritten = false;          // the past was made anew: its commits are not news
  };
  struct PointerSeen {
    std::string sha256;
    uint64_t size = 0;
  };

  // hub_impl.cpp
  static UniqueFd lock_folder(const fs::path& data);
  void open_store();
  void open_blobs();
  bool is_shared() const { return options_.shared_folder != options_.data_folder; }
  fs::path git_staging() const;  // on the file system of repos/
  void transact(const std::function<void(Database&)>& change);
  // access.cpp
  Repo get_for_write(const Caller& caller, const RepoId& id);
  Repo get_for_commit(const Caller& caller, const RepoId& id, std::string_view ref);
  // repos.cpp
  // A repository that is there whole or not at all: `fill` puts its objects and refs into a folder beside its place and says which refs (main
  // among them, or none is); `extra` joins the transaction that makes it visible.
  using FillRepo = std::function<std::vector<RefChange>(const fs::path& folder)>;
  Repo add_repo(const Caller& caller, const RepoId& wanted, bool is_private, const std::string& sdk, const FillRepo& fill,
                const std::function<void(Database&, const Repo&, const git::Repository&)>& extra);
  fs::path folder_of(const std::string& public_id) const;
  bool is_pending(const Repo& repo);
  RepoPool::Lease open_git(const Repo& repo);  // Error(conflict) for a catalogue entry
  // branches.cpp
  std::optional<git::Oid> find_ref(Database& database, const Repo& repo, std::string_view name);
  // Steps 3 and 4 of the drawing above. `extra` joins the transaction. The caller holds the repository's lock. `mover` (null: unknown,
  // after a crash) is named in the events that follow from it.
  void move_refs(const Repo& repo, git::Repository& git, const std::vector<RefChange>& changes, const std::function<void(Database&)>& extra = {},
                 const Caller* mover = nullptr);
  bool has_lost_lock(const Repo& repo);
  static Error lock_lost(const Repo& repo);
  void write_ref_files(const Repo& repo, git::Repository& git, const std::vector<RefChange>& changes);
  void mark_refs_written(const Repo& repo);
  void announce_refs(Database& database, const Repo& repo, json::array updated);
  git::Oid write_empty_commit(const Caller& caller, git::Repository& git);
  void sync_refs(const Repo& repo, git::Repository& git);  // disk := database
  void index_main(Database& database, const Repo& repo, const git::Repository& git, const git::Oid& commit);
  // push.cpp
  void adopt_refs(const Repo& repo, git::Repository& git, const Caller* caller);  // database := disk, after checks
  std::vector<RefChange> changed_refs(Database& database, const Repo& repo, const git::Repository& git);
  void check_pushed(Database& database, const Repo& repo, const git::Repository& git, const Caller* caller,
                    const std::vector<RefChange>& changes, std::vector<std::string>& to_link);
  bool settle_push(const Repo& repo, std::optional<RepoLocks::Held>& held);
  void recover();
  void recover_now_and_then(const std::stop_token& stop);  // several hubs
  void recover_repo(const Repo& repo, bool pushed);  // the caller holds the lock
  void take_over(int64_t repo_id);                   // several hubs: what one that died left of this repository
  // content.cpp
  void forget_pointers(const Repo& repo);
  void add_last_commits(const Repo& repo, git::Repository& git, const git::Oid& commit, std::string_view folder, bool recursive, std::vector<FileEntry>& entries);
  FileEntry describe(Database& database, const Repo& repo, const git::Repository& git, const git::TreeEntry& entry, std::string path);
  std::optional<PointerSeen> find_pointer(Database& database, const Repo& repo, const git::Repository& git, const git::Oid& oid, uint64_t size);
  CommitInfo commit_info(const git::Repository& git, const git::Oid& oid);
  bool decide_large(git::FilterRule rule, uint64_t size, std::string_view sample) const;
  // blobs.cpp
  void measure_blobs();  // sizes of those that an earlier version recorded without
  std::optional<int64_t> find_blob_id(Database& database, std::string_view sha256);
  int64_t ensure_blob_id(Database& database, std::string_view sha256);
  bool is_linked(Database& database, const Repo& repo, std::string_view sha256);
  bool may_use_blob(Database& database, const Caller* caller, const Repo& repo, std::string_view sha256);  // linked, or readable elsewhere
  void link_in(Database& database, const Repo& repo, std::string_view sha256);
  // fsck.cpp
  void fsck_repo(const Repo& repo, FsckReport& report, std::set<std::string>& named_blobs);
  void fsck_blobs(FsckReport& report, const std::set<std::string>& named_blobs, const std::function<void()>& step);
  void fsck_orphans(FsckReport& report, const std::set<std::string>& folders);
  // hub_impl.cpp: counters that may lose a few minutes in a crash
  void flush_counters();

  // commits.cpp
  struct Draft {
    git::Oid tree;
    std::map<git::Oid, git::Repository::NewObject> objects;
    std::vector<std::string> blobs_used;
  };
  Draft draft(const Caller& caller, const Repo& repo, git::Repository& git, const git::Oid& base, const CommitRequest& request);
  struct Written {
    git::Oid oid;
    std::vector<std::string> blobs_used;
  };
  std::optional<Written> write_commit(const Caller& caller, git::Repository& git, const git::Oid& base, const CommitRequest& request, Draft made);
  std::optional<Written> write_first_commit(const Caller& caller, const Repo& repo, git::Repository& git, const git::Oid& base, const CommitRequest& request);
  std::optional<git::Oid> find_earlier(const Caller& caller, const Repo& repo, git::Repository& git, const git::Oid& head, const CommitRequest& request);

  const HubOptions options_;
  const Clock& clock_;
  UniqueFd lock_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Audit> audit_;
  std::unique_ptr<Tokens> tokens_;
  std::unique_ptr<Sessions> sessions_;
  std::unique_ptr<Organisations> organisations_;
  std::unique_ptr<Follows> follows_;
  std::unique_ptr<Likes> likes_;
  std::unique_ptr<Collections> collections_;
  std::unique_ptr<AccessRequests> access_requests_;
  std::unique_ptr<DeviceLogins> device_logins_;
  std::unique_ptr<OauthApps> oauth_apps_;
  std::unique_ptr<BlobStore> blobs_;
  RepoPool pool_;
  NamedLocks names_;
  RepoLocks locks_;
  std::string signing_key_;
  std::unique_ptr<Discussions> discussions_;
  std::unique_ptr<History> history_;
  std::unique_ptr<LfsLocks> lfs_locks_;
  std::unique_ptr<Quotas> quotas_;
  std::unique_ptr<Webhooks> webhooks_;
  std::unique_ptr<Jobs> jobs_;

  std::mutex garbage_mutex_;         // one collection at a time
  std::mutex refs_mutex_;
  std::set<int64_t> refs_done_;      // ref files written; refs_pending may be cleared
  std::set<int64_t> refs_unsynced_;  // writing the ref file failed; try again before git reads
  std::set<int64_t> cleaned_;        // leftovers of earlier processes removed


  LastCommitCache last_commits_;
  FileCache files_{64u << 20};

  std::mutex pointers_mutex_;
  std::unordered_map<std::string, PointerSeen> pointers_;  // (repository, git object) -> large file; only those it may use

  // Last, so that their threads end before anything they use.
  std::unique_ptr<Catalogue> catalogue_;
  std::unique_ptr<Downloads> downloads_;
  std::jthread mender_;  // recover_now_and_then()
};

// repos.cpp and others: the columns that read_repo() expects, in order.
inline constexpr std::string_view kRepoColumns =
    "r.id, r.public_id, r.type, r.owner, r.name, r.is_private, r.disabled, r.gated, r.sdk, r.head, r.created_ms, r.modified_ms, "
    "r.downloads, r.likes, r.card, r.tags, r.pipeline_tag, r.library_name, r.owner_id";
inline constexpr int kRepoColumnCount = 19;  // where further columns of a query begin
Repo read_repo(const Rows& rows);
Error repo_not_found();
std::string digest_bytes(std::string_view hex);  // 32 raw bytes; Error(invalid_argument) unless 64 hex digits
std::string full_ref_name(std::string_view branch);  // "main" -> "refs/heads/main"; refs/… checked

}  // namespace lyceum::hub
